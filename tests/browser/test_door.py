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


def log_out(browser):
    browser.click("#settings-open")
    browser.click("[role=tab]", "Account")
    browser.click("dialog button", "Log out")
    browser.see("#door")


KEPT = """
    const [user] = arguments;
    const answered = (request) => new Promise((resolve) => { request.onsuccess = () => resolve(request.result); });
    return (async () => {
        const names = (await indexedDB.databases()).map((each) => each.name).filter((name) => name.endsWith(`-${user}`));
        const kept = Object.keys(localStorage).filter((key) => key === "parley:session" || key.startsWith("parley:draft:"));
        for (const name of names) {
            const database = await answered(indexedDB.open(name));
            for (const store of database.objectStoreNames) {
                if (await answered(database.transaction(store).objectStore(store).count()) > 0) kept.push(`${name} ${store}`);
            }
            database.close();
        }
        return kept;
    })();
"""


NOTIFIED = "return navigator.serviceWorker.getRegistration().then((r) => r.getNotifications()).then((all) => all.map((each) => each.body))"


def all_is_forgotten(browser, person):
    assert browser.text("#messages") == "" and browser.text("#chats") == ""
    until(lambda: browser.js(KEPT, person.id) == [], 5, f"nothing is kept: {browser.js(KEPT, person.id)}")


def test_logging_out_forgets_what_was_stored(browse, people):
    ada, bob = people("Ada Lovelace", "Bob")
    chat = ada.direct(bob)
    bob.say(chat, "a secret of the mill")
    browser = browse(ada)
    browser.open_chat("Bob")
    browser.message("a secret of the mill")
    until(lambda: {"parley:session", f"parley-{ada.id} events", f"parley-page-{ada.id} values"} <= set(browser.js(KEPT, ada.id)), 5,
          "there is something to forget")
    log_out(browser)
    all_is_forgotten(browser, ada)


def test_logging_out_leaves_nothing_of_the_person_in_the_page(browse, people):
    ada, bob, cy = people("Ada Lovelace", "Bob Babbage", "Cy Twombly")
    chat, other = ada.direct(bob), ada.direct(cy)
    bob.say(chat, "a secret of the mill")
    browser = browse(ada)
    browser.cdp("Browser.grantPermissions", origin=browser.url, permissions=["notifications"])
    until(lambda: browser.js("return navigator.serviceWorker.getRegistration().then((r) => Boolean(r?.active))"), 20, "the service worker runs")
    browser.js("localStorage.setItem('parley:choice:notifications', 'true')")
    browser.open_chat("Bob Babbage")
    browser.menu(browser.message("a secret of the mill"), "Reply")
    browser.see("#banner", "a secret of the mill")
    bob.say(chat, "and a secret said aloud")
    browser.message("and a secret said aloud")
    browser.js("Object.defineProperty(document, 'hasFocus', { value: () => false, configurable: true })")
    cy.say(other, "a secret on the screen")
    until(lambda: browser.js(NOTIFIED) == ["a secret on the screen"], 10, "a notification")
    browser.js("delete document.hasFocus")
    browser.click("#chat-search")
    browser.keys("secret")
    browser.see("#search-results", "a secret of the mill")
    log_out(browser)
    left = browser.js("return document.documentElement.outerHTML") + browser.driver.title + browser.driver.current_url
    assert [word for word in ("secret", "Lovelace", "Babbage", "Twombly", ada.username, bob.username, chat) if word in left] == []
    until(lambda: browser.js(NOTIFIED) == [], 5, "the notification is gone")


def test_logging_out_without_a_network_forgets_all_the_same_and_says_what_is_left(browse, people, network):
    ada, bob = people("Ada Lovelace", "Bob")
    chat = ada.direct(bob)
    bob.say(chat, "a secret of the mill")
    browser = browse(ada, url=network.url)
    browser.allowed += ["ERR_", "WebSocket connection"]
    browser.open_chat("Bob")
    browser.message("a secret of the mill")
    with network.away():
        browser.say("never sent")
        browser.see("#connection", "will be sent then", 60)
        browser.click("#settings-open")
        browser.click("[role=tab]", "Account")
        browser.click("dialog button", "Log out")
        browser.click("dialog:last-of-type button.danger", "Log out")
        browser.see("#door")
        browser.see(".note", "The server could not be told")
        all_is_forgotten(browser, ada)
    browser.log_in(ada)
    browser.open_chat("Bob")
    browser.message("a secret of the mill")
    assert ada.texts(chat) == ["a secret of the mill"]


def test_logging_out_in_one_tab_forgets_in_all(browse, people):
    ada, bob = people("Ada Lovelace", "Bob")
    chat = ada.direct(bob)
    bob.say(chat, "a secret of the mill")
    browser = browse(ada)
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    second = browser.driver.current_window_handle
    browser.cdp("Emulation.setFocusEmulationEnabled", enabled=True)
    browser.open(f"#{chat}")
    browser.message("a secret of the mill")
    browser.type("#composer-text", "half a thought")
    until(lambda: browser.js("return Object.keys(localStorage).some((key) => key.startsWith('parley:draft:'))"), 5, "it is a draft")
    browser.driver.switch_to.window(first)
    log_out(browser)
    browser.driver.switch_to.window(second)
    browser.see("#door")
    for tab in (first, second):
        browser.driver.switch_to.window(tab)
        all_is_forgotten(browser, ada)


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
