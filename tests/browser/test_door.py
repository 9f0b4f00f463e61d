"""Getting in and out."""

from people import PASSWORD, RUN
from server import until


def test_signing_up_leads_to_the_room_and_a_reload_stays_in_it(browse):
    browser = browse()
    browser.open()
    browser.type("#username", f"Nova-{RUN}")
    browser.type("#password", PASSWORD)
    browser.click("button", "Sign up")
    browser.see("#no-chats")
    browser.connected()
    browser.reload()
    browser.see("#no-chats")
    browser.connected()


def test_a_wrong_password_is_told_and_the_form_stays(browse, people):
    (ada,) = people("Ada")
    browser = browse()
    browser.allowed.append("401")
    browser.open()
    browser.type("#username", ada.username)
    browser.type("#password", "not this one at all")
    browser.click("button", "Log in")
    browser.see("#door-problem", "The username or the password is wrong.")
    assert browser.see("#username").get_property("value") == ada.username


def test_a_taken_username_is_told(browse, people):
    (ada,) = people("Ada")
    browser = browse()
    browser.allowed.append("409")
    browser.open()
    browser.type("#username", ada.username)
    browser.type("#password", PASSWORD)
    browser.click("button", "Sign up")
    browser.see("#door-problem", "This username is taken.")


def test_logging_out_forgets_what_was_stored(browse, people):
    ada, bob = people("Ada Lovelace", "Bob")
    chat = ada.direct(bob)
    bob.say(chat, "a secret of the mill")
    browser = browse(ada)
    browser.open_chat("Bob")
    browser.message("a secret of the mill")
    browser.click("#settings-open")
    browser.click("[role=tab]", "Account")
    browser.click("dialog button", "Log out")
    browser.see("#door")
    assert browser.text("#messages") == "" and browser.text("#chats") == ""
    names = browser.js("return indexedDB.databases().then((all) => all.map((each) => each.name))")
    kept = browser.js("""
        const [name] = arguments;
        return new Promise((resolve) => {
            const request = indexedDB.open(name);
            request.onsuccess = async () => {
                const counts = await Promise.all([...request.result.objectStoreNames].map((store) => new Promise((counted) => {
                    request.result.transaction(store).objectStore(store).count().onsuccess = (event) => counted(event.target.result);
                })));
                resolve(counts.reduce((sum, count) => sum + count, 0));
            };
        });""", f"parley-{ada.id}") if f"parley-{ada.id}" in names else 0
    assert kept == 0 and f"parley-page-{ada.id}" not in names
    assert browser.js("return localStorage.getItem('parley:session')") is None


def test_a_login_that_is_ended_elsewhere_says_why_and_leads_to_the_door(browse, people):
    ada, bob = people("Ada", "Bob")
    ada.direct(bob)
    browser = browse(ada)
    browser.allowed.append("401")
    browser.connected()  # or its token would be refused
    sessions = ada.get("/v1/sessions")["items"]
    for session in sessions:
        if not session["current"]:
            ada.delete(f"/v1/sessions/{session['id']}")
    # The socket's 4002 and a 401 of REST come in either order: a banner to click, or the door at once.
    until(lambda: browser.shown("#connection", "logged out") or browser.shown("#door-problem"), 15, "the page says why")
    if browser.shown("#connection", "logged out"):
        browser.click("#connection button", "Log in again")
    browser.see("#door-problem", "log")
    browser.see("#username")


def test_two_accounts_live_side_by_side_in_one_browser(browse, people):
    ada, bob = people("Ada", "Bob")
    ada.direct(bob)
    browser = browse(ada)
    browser.open("?profile=second")
    browser.type("#username", bob.username)
    browser.type("#password", bob.password)
    browser.click("button", "Log in")
    browser.see("#chats a.chat", "Ada")
    browser.open()
    browser.see("#chats a.chat", "Bob")
