"""The settings."""

from server import until


def settings(browser, section):
    browser.click("#settings-open")
    browser.click("[role=tab]", section)


def test_the_display_name(browse, people):
    ada, bob = people("Ada", "Bob")
    ada.direct(bob)
    browser = browse(ada)
    settings(browser, "Profile")
    browser.type("dialog input[name=display_name]", "Countess Ada")
    browser.click("dialog button", "Save")
    browser.see(".note", "Saved.")
    assert ada.get("/v1/users/me")["display_name"] == "Countess Ada"


def test_colours_follow_the_system_or_the_choice(browse, people):
    (ada,) = people("Ada")
    browser = browse(ada)

    def ground():
        return browser.js("return getComputedStyle(document.body).backgroundColor")

    browser.prefer(color_scheme="light")
    light = ground()
    browser.prefer(color_scheme="dark")
    dark = ground()
    assert light != dark
    settings(browser, "Look")
    browser.click("dialog label", "Light")
    until(lambda: ground() == light, 5, "light")
    browser.reload()
    assert ground() == light
    settings(browser, "Look")
    browser.click("dialog label", "As the system")
    until(lambda: ground() == dark, 5, "dark")


def test_a_password_is_changed_and_a_wrong_old_one_told(browse, people):
    (ada,) = people("Ada")
    browser = browse(ada)
    browser.allowed.append("403")
    settings(browser, "Password")
    browser.type("dialog input[name=old]", "not the old one")
    browser.type("dialog input[name=new]", "a new mill in brass")
    browser.click("dialog button", "Change the password")
    browser.see("dialog .problem", "The old password is wrong.")
    browser.type("dialog input[name=old]", ada.password)
    browser.click("dialog button", "Change the password")
    browser.see(".note", "The password is changed.")
    ada.password = "a new mill in brass"
    ada.log_in()


def test_somebody_is_blocked_and_unblocked(browse, people):
    ada, bob = people("Ada", "Bob Babbage")
    browser = browse(ada)
    settings(browser, "Privacy")
    browser.click("dialog button", "Block somebody")
    browser.type("dialog input[type=search]", bob.username)
    browser.click("dialog .results button", "Bob Babbage")
    browser.see("dialog .members", "Bob Babbage")
    assert ada.get("/v1/users/me/blocks")["items"] == [{"user": bob.id}]
    browser.click("dialog .members button", "Unblock")
    browser.gone("dialog .members", "Bob Babbage")
    assert ada.get("/v1/users/me/blocks")["items"] == []


def test_the_account_is_erased_only_after_two_questions(browse, people):
    (ada,) = people("Ada")
    browser = browse(ada)
    browser.allowed.append("401")
    settings(browser, "Account")
    browser.type("dialog input[name=sure]", "somebody else")
    browser.click("dialog button", "Erase my account")
    browser.see("dialog .problem", "This is not your username.")
    browser.type("dialog input[name=sure]", ada.username)
    browser.click("dialog button", "Erase my account")
    browser.click("dialog:last-of-type button.danger", "Erase")
    browser.see("#door-problem", "Your account is erased.")
    ada.refused("unauthorized", "GET", "/v1/users/me")


def test_notifications_come_only_when_they_are_switched_on_and_one_looks_elsewhere(browse, people):
    ada, bob, cy = people("Ada", "Bob Babbage", "Cy")
    chat, muted = ada.direct(bob), ada.direct(cy)
    ada.patch(f"/v1/chats/{muted}/me", {"muted_until": "2100-01-01T00:00:00.000Z"})
    browser = browse(ada)
    browser.cdp("Browser.grantPermissions", origin=browser.url, permissions=["notifications"])
    until(lambda: browser.js("return navigator.serviceWorker.getRegistration().then((r) => Boolean(r?.active))"), 20, "the service worker runs")

    def told():
        return browser.js("return navigator.serviceWorker.getRegistration().then((r) => r.getNotifications()).then((all) => all.map((n) => `${n.title}: ${n.body}`))")

    browser.js("Object.defineProperty(document, 'hasFocus', { value: () => false, configurable: true })")
    bob.say(chat, "before it is on")
    browser.see("#chats .badge", "1")
    assert told() == []
    settings(browser, "Notifications")
    browser.click("dialog label", "Notify me of messages")
    until(lambda: browser.js("return localStorage.getItem('parley:choice:notifications')") == "true", 10, "it is on")  # the browser was asked
    browser.keys("\ue00c")
    cy.say(muted, "of a muted chat")
    bob.say(chat, "do you hear me?")
    until(lambda: told() == ["Bob Babbage: do you hear me?"], 10, "a notification")
    browser.js("delete document.hasFocus")
    bob.say(chat, "and now you look")
    browser.see("#chats .badge", "3")
    assert told() == ["Bob Babbage: do you hear me?"]
