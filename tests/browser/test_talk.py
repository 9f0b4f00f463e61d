"""Two people in a direct chat."""

from selenium.webdriver.common.keys import Keys

from server import until


def test_a_chat_begins_with_a_search_for_a_username(browse, people):
    ada, bob = people("Ada", "Bob Babbage")
    browser = browse(ada)
    browser.click("#new-chat")
    browser.click("[role=menuitem]", "New message")
    browser.keys(bob.username)
    browser.click("dialog .results button", "Bob Babbage")
    browser.see("#chat-title", "Bob Babbage")
    browser.say("Good morning")
    browser.tick("Good morning", "sent")
    assert bob.texts(ada.direct(bob, want=200)) == ["Good morning"]


def test_messages_go_both_ways_live_with_ticks_for_sent_delivered_and_read(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    here, there = browse(ada), browse(bob)
    here.open_chat("Bob")
    here.say("Are you there?")
    here.tick("Are you there?", "delivered")
    there.see("#chats .badge", "1")
    there.open_chat("Ada")
    there.message("Are you there?")
    here.tick("Are you there?", "read")
    there.gone("#chats .badge")
    there.say("I am")
    here.message("I am")
    there.tick("I am", "read")
    assert ada.texts(chat) == ["Are you there?", "I am"]


def test_what_was_not_looked_at_stays_unread(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    browser = browse(ada)
    browser.open_chat("Bob")
    browser.see("#no-messages")
    browser.cdp("Emulation.setFocusEmulationEnabled", enabled=False)
    browser.js("Object.defineProperty(document, 'hasFocus', { value: () => false, configurable: true })")
    bob.say(chat, "while you look elsewhere")
    browser.message("while you look elsewhere")
    browser.see("#chats .badge", "1")
    assert ada.get("/v1/chats")["items"][0]["unread"] == 1
    browser.js("delete document.hasFocus; window.dispatchEvent(new Event('focus'))")
    browser.cdp("Emulation.setFocusEmulationEnabled", enabled=True)
    browser.js("window.dispatchEvent(new Event('focus'))")
    browser.gone("#chats .badge")
    until(lambda: ada.get("/v1/chats")["items"][0]["unread"] == 0, 10, "it is read")


def test_the_unread_line_stands_before_the_first_new_message(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    for number in range(60):
        bob.say(chat, f"line {number}")
    ada.put(f"/v1/chats/{chat}/receipts", {"read": 32})
    browser = browse(ada)
    browser.see("#chats .badge", "30")
    browser.open_chat("Bob")
    line = browser.see("#messages li.unread", "New messages")
    after = browser.js("return arguments[0].nextElementSibling.textContent", line)
    assert "line 30" in after
    top = browser.js("return arguments[0].getBoundingClientRect().top - document.querySelector('#timeline').getBoundingClientRect().top", line)
    assert -1 <= top < 300, f"the line is {top} px below the top"


def test_a_reply_quotes_and_leads_to_what_it_answers(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    bob.say(chat, "the first of all")
    for number in range(120):
        bob.say(chat, f"filler {number}")
    browser = browse(ada)
    browser.open_chat("Bob")
    browser.click("#to-newest")
    row = browser.message("filler 118")
    browser.menu(row, "Reply")
    browser.see("#banner", "Reply to Bob")
    browser.say("to that one")
    browser.message("to that one")
    assert browser.message("to that one").find_element("css selector", ".quote").text.endswith("filler 118")
    event = ada.say(chat, "to the beginning", reply_to=3)
    assert event["reply_to"] == 3
    browser.click("#messages .quote", "the first of all")
    browser.see("#messages li.message.flash", "the first of all")


def test_a_message_that_is_refused_stays_visible_with_what_can_be_done(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    browser = browse(ada)
    browser.open_chat("Bob")
    bob.put(f"/v1/users/me/blocks/{ada.id}", want=204)
    browser.say("do not lose this")
    browser.see("#messages li.failed", "You cannot write to this person.")
    browser.reload()
    browser.see("#messages li.failed", "do not lose this")
    bob.delete(f"/v1/users/me/blocks/{ada.id}")
    browser.click("#messages li.failed button", "Try again")
    browser.tick("do not lose this", "sent")
    bob.put(f"/v1/users/me/blocks/{ada.id}", want=204)
    browser.say("this one may go")
    browser.click("#messages li.failed button", "Discard")
    browser.gone("#messages li", "this one may go")
    assert ada.texts(chat) == ["do not lose this"]


def test_a_draft_is_kept_for_each_chat(browse, people):
    ada, bob, cy = people("Ada", "Bob", "Cy")
    ada.direct(bob)
    ada.direct(cy)
    browser = browse(ada)
    browser.open_chat("Bob")
    browser.type("#composer-text", "half a thought")
    browser.open_chat("Cy")
    assert browser.see("#composer-text").get_property("value") == ""
    browser.see("#chats a.chat", "half a thought")
    browser.reload()
    browser.open_chat("Bob")
    assert browser.see("#composer-text").get_property("value") == "half a thought"
    browser.keys(Keys.ENTER)
    browser.message("half a thought")
    browser.open_chat("Cy")
    browser.gone("#chats .draft")


def test_shift_enter_makes_a_new_line_and_enter_sends(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    browser = browse(ada)
    browser.open_chat("Bob")
    browser.say("one\ntwo")
    browser.tick("two", "sent")
    assert ada.texts(chat) == ["one\ntwo"]


def test_a_chat_is_muted_pinned_and_archived(browse, people):
    ada, bob, cy = people("Ada", "Bob", "Cy")
    bob.say(ada.direct(bob), "older")
    cy.say(ada.direct(cy), "newer")
    browser = browse(ada)

    def titles():
        return browser.texts("#chats .chat-title bdi")

    until(lambda: titles() == ["Cy", "Bob"], 10, "both chats")
    browser.menu(browser.see("#chats li", "Bob"), "Pin")
    until(lambda: titles() == ["Bob", "Cy"], 10, "Bob is first")
    browser.menu(browser.see("#chats li", "Bob"), "Mute for an hour")
    browser.see("#chats li .icon-bellOff")
    browser.menu(browser.see("#chats li", "Cy"), "Archive")
    until(lambda: titles() == ["Bob"], 10, "Cy is in the archive")
    browser.click("#archived")
    until(lambda: titles() == ["Cy"], 10, "the archive")
    browser.menu(browser.see("#chats li", "Cy"), "Take out of the archive")
    until(lambda: titles() == ["Bob", "Cy"], 10, "all chats again")


def test_days_break_the_timeline_and_old_days_have_dates(browse, people, parley):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    bob.say(chat, "of long ago")
    bob.say(chat, "of today")
    parley.psql(f"update chat.event set at_ms = at_ms - 40 * 86400000::bigint where chat_id = {chat} and seq <= 3")
    browser = browse(ada)
    browser.open_chat("Bob")
    browser.message("of today")
    labels = browser.texts("#messages .day-label")
    assert len(labels) == 2 and labels[1] == "Today" and labels[0] not in ("Today", "Yesterday"), labels
