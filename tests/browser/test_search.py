"""Search for messages."""

from selenium.webdriver.common.keys import Keys

from test_long_chat import fill


def test_messages_are_found_in_all_chats_and_in_one_with_marks_and_a_way_there(browse, people):
    ada, bob, cy = people("Ada", "Bob Babbage", "Cy Twombly")
    direct = ada.direct(bob)
    bob.say(direct, "The zebra of the first message")
    fill(bob, direct, 300)
    group = cy.group(ada, title="Stripes")
    cy.say(group, "A zebra in the group, <b>bold</b>")
    browser = browse(ada)
    browser.chord(Keys.CONTROL, "k")
    browser.keys("zebra")
    browser.see("#search-results .found.message", "of the first message")
    browser.see("#search-results .found.message", "<b>bold</b>")
    assert set(browser.texts("#search-results mark")) == {"zebra"}
    browser.prefer(reduced_motion="reduce")
    browser.picture("search")
    browser.click("#search-results .found.message", "of the first message")
    browser.see("#messages li.message.flash", "The zebra of the first message", 30)
    browser.click("#search-close")
    browser.open_chat("Stripes")
    browser.click("#chat-search")
    browser.see("#search-scope", "Stripes")
    browser.keys("zebra")
    browser.see("#search-results .found.message", "<b>bold</b>")
    browser.gone("#search-results .found.message", "of the first message")
    browser.keys(Keys.ARROW_DOWN, Keys.ENTER)
    browser.see("#messages li.message.flash", "A zebra in the group")
    browser.click("#search-close")
    browser.gone("#search-panel")


def test_enter_opens_the_first_result_of_what_was_typed(browse, people):
    ada, bob, cy = people("Ada", "Bob Babbage", "Cy Twombly")
    bob.say(ada.direct(bob), "about the zebra")
    cy.say(ada.direct(cy), "about the gnu")
    browser = browse(ada)
    browser.open_chat("Cy Twombly")
    browser.js("window.isThePage = true")
    browser.chord(Keys.CONTROL, "k")
    browser.keys("Babbage", Keys.ENTER)  # at once: there are no results yet
    browser.see("#chat-title", "Bob Babbage")
    browser.gone("#search-panel")
    browser.chord(Keys.CONTROL, "k")
    browser.keys("zebra")
    browser.see("#search-results .found.message", "about the zebra")
    browser.chord(Keys.CONTROL, "a")
    browser.keys("gnu", Keys.ENTER)  # the results on the screen are those of before
    browser.see("#messages li.message.flash", "about the gnu")
    browser.chord(Keys.CONTROL, "k")
    browser.keys("xyzzy", Keys.ENTER)
    browser.see("#search-status", "Nothing found.")
    browser.see("#chat-title", "Cy Twombly")
    assert browser.js("return window.isThePage"), "Enter has loaded the page anew"


def test_more_is_found_page_by_page_and_nothing_is_told(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.group(bob, title="Stripes")
    fill(bob, chat, 70)
    browser = browse(ada)
    browser.type("#search", "message")
    browser.see("#search-results .found.message", "message 69")
    browser.click("#search-results .found.more")
    browser.see("#search-results .found.message", "message 10")  # or the next click would be on the button that has gone by then
    browser.click("#search-results .found.more")
    browser.see("#search-results .found.message", "message 0")
    found = browser.texts("#search-results .found-text")
    assert len(found) == len(set(found)) == 70
    browser.type("#search", "xyzzy")
    browser.see("#search-status", "Nothing found.")
