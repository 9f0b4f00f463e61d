"""Names, roles, labels, contrast, in every state of the page and both themes. The keys are in test_keyboard.py."""

import pytest
from selenium.webdriver.common.keys import Keys

from browser import NARROW
from page_checks import faults
from server import until
from test_faults import NETWORK


@pytest.fixture
def furnished(people):
    """A direct chat, a group and a channel with a bit of everything."""
    ada, bob, cy = people("Ada Lovelace", "Bob Babbage", "Cy Twombly")
    direct = ada.direct(bob)
    bob.say(direct, "Look at https://example.org/cards when you can")
    first = ada.say(direct, "I will")
    bob.say(direct, "thanks", reply_to=first["seq"])
    group = bob.group(ada, cy, title="Analytical engine", description="Cards and gears")
    cy.say(group, f"Hello @{ada.username}", mentions=[ada.id])
    bob.group(ada, kind="channel", title="News of the mill")
    return ada


def test_every_state_of_the_page_in_light_and_dark(browse, furnished, network):
    ada = furnished
    browser = browse(url=network.url)
    browser.prefer(reduced_motion="reduce")  # colours that are on their way to others have no contrast to speak of
    found = []

    def look(where):
        for theme in ("light", "dark"):
            browser.prefer(color_scheme=theme)
            found.extend(faults(browser, f"{where}, {theme}"))
        browser.prefer(color_scheme="light")

    browser.open()
    browser.see("#door")
    look("door")
    browser.log_in(ada)
    browser.see("#chats a.chat", "Bob Babbage")
    look("list")
    browser.open_chat("Bob Babbage")
    browser.message("thanks")
    look("direct chat")
    browser.menu(browser.message("I will"), "Reply")
    look("reply")
    browser.open_chat("Analytical engine")
    browser.message("Hello")
    look("group")
    row = browser.message("Hello")
    browser.js("arguments[0].focus()", row)
    browser.see(".toolbar")
    look("toolbar")
    browser.keys(Keys.ENTER)
    browser.see("[role=menu]")
    look("menu")
    browser.keys(Keys.ESCAPE)
    browser.click("#composer-emoji")
    browser.see(".emoji-picker")
    look("emoji")
    browser.keys(Keys.ESCAPE)
    browser.type("#composer-text", "@")
    browser.see("#mention-box")
    look("mentions")
    browser.keys(Keys.ESCAPE)
    browser.click("#chat-open-info")
    browser.see("dialog .members button", "Cy Twombly")
    look("info")
    browser.keys(Keys.ESCAPE)
    browser.click("#settings-open")
    for tab in ("Profile", "Look", "Notifications", "Privacy", "Devices", "Password", "Account"):
        browser.click("[role=tab]", tab)
        browser.gone("dialog", "Loading…")
        look(f"settings, {tab}")
    browser.keys(Keys.ESCAPE)
    browser.click("#new-chat")
    browser.click("[role=menuitem]", "New group")
    look("new group")
    browser.keys(Keys.ESCAPE)
    browser.keys(Keys.ESCAPE)
    browser.type("#search", "a")
    browser.see("#search-results .found")
    look("search")
    browser.keys(Keys.ESCAPE)
    browser.allowed += [*NETWORK, "404"]
    browser.open_chat("Bob Babbage")
    with network.away():
        browser.say("waits")
        browser.see("#connection", "since", 60)
        look("offline")
    browser.tick("waits", "sent", 60)
    browser.size(*NARROW)
    look("narrow")
    assert not found, "\n".join(dict.fromkeys(found))


def test_new_messages_are_announced_and_landmarks_are_there(browse, people):
    ada, bob = people("Ada", "Bob Babbage")
    chat = ada.direct(bob)
    browser = browse(ada)
    browser.open_chat("Bob Babbage")
    bob.say(chat, "hear, hear")
    until(lambda: "Bob Babbage: hear, hear" in browser.js("return document.querySelector('#announcer').textContent"), 10, "it is announced")
    nodes = [node for node in browser.accessibility_tree() if not node.get("ignored")]
    roles = {node["role"]["value"] for node in nodes}
    assert {"navigation", "main", "search", "log", "list", "heading"} <= roles, roles
    rows = [node for node in nodes if node["role"]["value"] == "listitem"]
    assert rows


def test_nothing_moves_for_those_who_want_it_so(browse, people):
    ada, bob = people("Ada", "Bob")
    ada.direct(bob)
    browser = browse(ada)
    browser.prefer(reduced_motion="reduce")
    browser.open_chat("Bob")
    browser.click("#settings-open")
    moving = browser.js("""return [...document.querySelectorAll('*')].filter((element) => {
        const { transitionDuration, animationName } = getComputedStyle(element);
        return transitionDuration.split(',').some((time) => parseFloat(time) > 0) || animationName !== 'none';
    }).map((element) => element.outerHTML.slice(0, 100))""")
    assert moving == []


def test_the_page_works_from_right_to_left(browse, furnished):
    ada = furnished
    browser = browse(ada)
    browser.click("#settings-open")
    browser.prefer(reduced_motion="reduce")
    browser.click("[role=tab]", "Look")
    browser.click("dialog label", "Right to left")
    browser.keys(Keys.ESCAPE)
    browser.open_chat("Bob Babbage")
    browser.message("thanks")
    sides = browser.js("""
        const left = (css) => document.querySelector(css).getBoundingClientRect().left;
        return [left('#chats-pane'), left('#chat-pane'), left('.row.mine .bubble'), left('.row.theirs .bubble')];""")
    assert sides[0] > sides[1] and sides[2] < sides[3], sides
    assert browser.js("return document.documentElement.scrollWidth <= innerWidth"), "something sticks out"
    assert not faults(browser, "right to left")
    for text, direction in (("Look at", "ltr"), ("thanks", "ltr")):
        assert browser.js("return getComputedStyle(arguments[0].querySelector('.text')).direction", browser.message(text)) == direction
