"""What is done to messages: edits, deletions, reactions; and mentions in the counts."""

import urllib.parse

import pytest
from selenium.webdriver.common.keys import Keys

from server import until
from test_long_chat import fill


def test_an_edit_shows_on_both_sides_with_its_versions(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    here, there = browse(ada), browse(bob)
    here.open_chat("Bob")
    there.open_chat("Ada")
    here.say("the mil turns")
    there.message("the mil turns")
    here.see("#composer-text").click()
    here.keys(Keys.ARROW_UP)
    here.see("#banner", "Edit message")
    here.keys("; at last")
    here.keys(Keys.ENTER)
    there.message("the mil turns; at last")
    here.menu(here.message("the mil turns; at last"), "Edit")
    here.type("#composer-text", "the mill turns")
    here.keys(Keys.ENTER)
    for browser in (here, there):
        row = browser.message("the mill turns")
        until(lambda of=row: "edited" in of.text, 10, "it is called edited")
    assert ada.texts(chat)[0] == "the mill turns"
    there.click("#messages .edited")
    there.see("dialog .versions li", "the mil turns; at last")
    there.see("dialog .versions li", "the mill turns")
    there.reload()
    there.message("the mill turns")


def test_a_deleted_message_is_gone_for_both_and_its_quotes_too(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    event = ada.say(chat, "a slip of the pen")
    bob.say(chat, "what?", reply_to=event["seq"])
    here, there = browse(ada), browse(bob)
    here.open_chat("Bob")
    there.open_chat("Ada")
    there.see("#messages .quote", "a slip of the pen")
    here.menu(here.message("a slip of the pen"), "Delete for everyone")
    here.click("dialog button.danger", "Delete for everyone")
    for browser in (here, there):
        browser.see("#messages .text.gone", "Message deleted")
        browser.see("#messages .quote", "Message deleted")
        browser.gone("#messages", "a slip of the pen")
    there.reload()
    there.see("#messages .text.gone", "Message deleted")
    assert "a slip of the pen" not in there.text()


def test_a_quote_of_a_message_far_back_changes_with_it(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    seq = bob.say(chat, "a slip of the pen")["seq"]
    fill(bob, chat, 120)
    last = ada.say(chat, "what?", reply_to=seq)["seq"]
    ada.put(f"/v1/chats/{chat}/receipts", {"read": last})
    browser = browse(ada)
    browser.open_chat("Bob")
    browser.see("#messages .quote", "a slip of the pen")
    bob.patch(f"/v1/chats/{chat}/messages/{seq}", {"body": {"text": "better so"}})
    browser.see("#messages .quote", "better so")
    bob.call("DELETE", f"/v1/chats/{chat}/messages/{seq}")
    browser.see("#messages .quote", "Message deleted")


CLIPBOARDS = {
    "as browsers have it": "",
    "absent, as on plain http": "Object.defineProperty(navigator, 'clipboard', { value: undefined })",
    "refusing": "navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError'))",
}


@pytest.mark.parametrize("clipboard", CLIPBOARDS)
def test_a_text_is_copied_whatever_the_clipboard_is(browse, people, clipboard):
    ada, bob = people("Ada", "Bob")
    bob.say(ada.direct(bob), "first line\n  and <b>second</b>")
    browser = browse(ada)
    browser.open_chat("Bob")
    browser.js(CLIPBOARDS[clipboard])
    browser.menu(browser.message("first line"), "Copy text")
    browser.see(".note", "Copied.")
    browser.click("#composer-text")
    browser.chord(Keys.CONTROL, "v")
    until(lambda: browser.see("#composer-text").get_property("value") == "first line\n  and <b>second</b>", 5, "it is pasted")


def test_a_text_that_cannot_be_copied_is_told_of(browse, people):
    ada, bob = people("Ada", "Bob")
    bob.say(ada.direct(bob), "not to be had")
    browser = browse(ada)
    browser.open_chat("Bob")
    browser.js(f"{CLIPBOARDS['refusing']}; document.execCommand = () => false")
    browser.menu(browser.message("not to be had"), "Copy text")
    browser.see(".note.bad", "does not allow copying")


def test_reactions_are_given_seen_and_taken_back(browse, people):
    ada, bob, cy = people("Ada", "Bob Babbage", "Cy Twombly")
    chat = ada.group(bob, cy, title="Mill")
    bob.say(chat, "it turns")
    here, there = browse(ada), browse(bob)
    here.open_chat("Mill")
    there.open_chat("Mill")
    here.menu(here.message("it turns"), "React…")
    here.click(".emoji-picker button", "🎉")
    there.see("#messages .reaction", "🎉1")
    there.click("#messages .reaction", "🎉")
    here.see("#messages .reaction", "🎉2")
    here.menu(here.message("it turns"), "Who reacted")
    here.see("dialog .members", "You")
    here.see("dialog .members", "Bob Babbage")
    here.keys(Keys.ESCAPE)
    here.see("#messages .reaction[aria-pressed=true]").click()
    there.see("#messages .reaction", "🎉1")
    here.menu(here.message("it turns"), "React…")
    here.js("""
        const input = document.querySelector('.emoji-picker input');
        input.value = '🦀';
        input.dispatchEvent(new Event('input'));""")
    there.see("#messages .reaction", "🦀1")


def test_admins_delete_what_others_wrote_and_members_do_not(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.group(bob, title="Mill")
    bob.say(chat, "rubbish")
    ada.say(chat, "decent")
    here, there = browse(ada), browse(bob)
    there.open_chat("Mill")
    there.message("decent")
    there.see("#chat-subtitle", "2 members")
    there.menu(there.message("decent"), "Reply")
    there.keys(Keys.ESCAPE)
    here.open_chat("Mill")
    here.message("rubbish")
    here.menu(here.message("rubbish"), "Delete for everyone")
    here.click("dialog button.danger", "Delete for everyone")
    there.see("#messages .text.gone")


def test_unread_mentions_are_counted_and_gone_when_read(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = bob.group(ada, title="Mill")
    bob.say(chat, f"@{ada.username} look", mentions=[ada.id])
    bob.say(chat, "and something else")
    browser = browse(ada)
    browser.see("#chats .badge", "mention")
    browser.see("#chats .badge", "2 unread")
    browser.open_chat("Mill")
    browser.gone("#chats .badge")
    until(lambda: ada.get("/v1/chats")["items"][0]["unread_mentions"] == 0, 10, "no mention is unread")


def test_a_lively_chat_is_pictured(browse, people):
    ada, bob, cy = people("Ada Lovelace", "Charles Babbage", "Mary Somerville")
    chat = ada.group(bob, cy, title="Analytical Engine")

    def react(person, event, emoji):
        person.put(f"/v1/chats/{chat}/messages/{event['seq']}/reactions/{urllib.parse.quote(emoji)}")

    plan = bob.say(chat, "The store has 1,000 columns now, and each holds 40 digits.")
    for person, emoji in ((ada, "🎉"), (cy, "🎉"), (ada, "👏"), (bob, "🔥")):
        react(person, plan, emoji)
    slip = cy.say(chat, "That is 4,000 digits.")
    cy.patch(f"/v1/chats/{chat}/messages/{slip['seq']}", {"body": {"text": "That is 40,000 digits."}})
    gone = bob.say(chat, "I counted wrong")
    bob.delete(f"/v1/chats/{chat}/messages/{gone['seq']}", want=200)
    mine = ada.say(chat, "It will be more than we ever need.", reply_to=plan["seq"])
    react(bob, mine, "😂")
    ada.say(chat, "❤️")
    for person in (bob, cy):
        person.put(f"/v1/chats/{chat}/receipts", {"read": mine["seq"]})
    browser = browse(ada)
    browser.prefer(reduced_motion="reduce")
    browser.open_chat("Analytical Engine")
    browser.message("It will be more")
    browser.tick("It will be more", "read")
    browser.see("#messages .reaction", "🎉2")
    browser.picture("lively")
    browser.prefer(color_scheme="dark")
    browser.picture("lively-dark")
