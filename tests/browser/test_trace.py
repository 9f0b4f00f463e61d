"""Where is my message."""

from server import until


def test_a_sender_sees_where_a_message_is(browse, people):
    ada, bob, cy = people("Ada", "Bob Babbage", "Cy Twombly")
    chat = ada.group(bob, cy, title="Mill")
    browser = browse(ada)
    browser.open_chat("Mill")
    browser.say("where are you?")
    browser.tick("where are you?", "sent")
    seq = ada.log(chat)[-1]["seq"]
    bob.put(f"/v1/chats/{chat}/receipts", {"read": seq})
    until(lambda: browser.shown("#messages .tick"), 5, "a tick")
    browser.menu(browser.message("where are you?"), "Where is my message?")
    browser.see("dialog .trace", "In the log since")
    browser.see("dialog .traced", "Bob Babbage")
    browser.see("dialog .step.read", "Read")
    browser.see("dialog .traced", "Cy Twombly")
    browser.picture("trace")


def test_nobody_traces_what_others_wrote(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    bob.say(chat, "not yours")
    browser = browse(ada)
    browser.open_chat("Bob")
    browser.menu(browser.message("not yours"), "Reply")
    row = browser.message("not yours")
    browser.js("arguments[0].focus()", row)
    browser.keys("\ue007")
    assert "Where is my message?" not in browser.texts("[role=menuitem]")
