"""Pictures of the page for people to look at, in build/browser/."""

import os

import pytest

from browser import NARROW, PICTURES, WIDE
from contract import ROOT

STORY = [
    (1, "Good morning! Did the new cards arrive?"), (0, "They did, last night. I have put them in order."), (0, "All 1,200 of them ☕"),
    (1, "You are a marvel."), (1, "Then let us see whether the mill can do the Bernoulli numbers before the week is over. I have written down how the "
     "store columns are to be set; it is on https://example.org/notes/g if you want to look."), (0, "👍"), (1, "שלום, גם זה עובד"), (0, "مرحبا بالعالم"),
    (0, "I will read it tonight."),
]


@pytest.fixture
def story(people):
    ada, bob, cy, dee = people("Ada Lovelace", "Charles Babbage", "Mary Somerville", "Augustus De Morgan")
    persons = (ada, bob)
    direct = ada.direct(bob)
    for who, text in STORY:
        persons[who].say(direct, text)
    group = bob.group(ada, cy, dee, title="Analytical Engine", description="Gears, cards, and who is to turn the handle.")
    cy.say(group, "Who has the drawings of the mill?")
    head = dee.say(group, "I had them last, they are in the library.")
    bob.say(group, "Please do not fold them this time.", reply_to=head["seq"])
    cy.say(group, f"@{ada.username} would you bring them on Thursday?", mentions=[ada.id])
    ada.say(group, "Gladly.")
    dee.say(group, "Splendid. Then all we need is somebody to turn the handle, and a good deal of oil.")
    channel = bob.group(ada, kind="channel", title="Royal Society notices")
    bob.say(channel, "The next meeting is moved to the 14th.")
    dee.say(ada.direct(dee), "About the proof: I think that line 7 does not follow.")
    cy.say(ada.direct(cy), "Tea on Sunday?")
    return ada, bob


def test_the_page_is_pictured(browse, story):
    ada, bob = story
    browser = browse()
    browser.open()
    browser.see("#door")
    browser.picture("door")
    browser.log_in(ada)
    browser.allowed.append("404")
    browser.see("#chats a.chat", "Mary Somerville")
    browser.open_chat("Charles Babbage")
    browser.message("I will read it tonight.")
    browser.picture("chats")
    browser.open_chat("Analytical Engine")
    browser.message("Splendid.")
    browser.picture("group")
    browser.js("arguments[0].focus()", browser.message("Gladly."))
    browser.picture("toolbar")
    browser.prefer(color_scheme="dark")
    browser.open_chat("Charles Babbage")
    browser.message("I will read it tonight.")
    browser.picture("dark")
    browser.click("#settings-open")
    browser.click("[role=tab]", "Look")
    browser.picture("settings-dark")
    browser.keys("\ue00c")
    browser.prefer(color_scheme="light")
    browser.click("#settings-open")
    browser.click("[role=tab]", "Devices")
    browser.picture("settings")
    browser.keys("\ue00c")
    browser.open_chat("Analytical Engine")
    browser.click("#chat-open-info")
    browser.see("dialog .members", "Mary Somerville")
    browser.picture("info")
    browser.keys("\ue00c")
    browser.type("#search", "ma")
    browser.see("#search-results .found")
    browser.picture("search-names")
    browser.keys("\ue00c")
    browser.js("document.documentElement.dir = 'rtl'")
    browser.open_chat("Analytical Engine")
    browser.picture("rtl")
    browser.js("document.documentElement.dir = 'ltr'")
    browser.size(*NARROW)
    browser.picture("narrow-chat")
    browser.click("#back")
    browser.picture("narrow-list")
    browser.prefer(color_scheme="dark")
    browser.picture("narrow-dark")
    browser.size(*WIDE)
    for name in ("door", "chats", "group", "dark", "settings", "narrow-chat", "rtl"):
        assert os.path.getsize(os.path.join(ROOT, PICTURES, f"{name}.png")) > 5000, name
