"""All of it without a mouse."""

from selenium.webdriver.common.keys import Keys

from server import until


def test_from_the_door_to_an_answer_with_keys_only(browse, people):
    ada, bob, cy = people("Ada", "Bob", "Cy")
    chat = ada.direct(bob)
    bob.say(chat, "can you type?")
    cy.say(ada.direct(cy), "second")
    browser = browse()
    browser.open()
    browser.see("#door")
    until(lambda: browser.focused() == "username", 5, "the field has the focus")
    browser.keys(ada.username, Keys.TAB, ada.password, Keys.ENTER)
    browser.see("#chats a.chat", "Bob")
    browser.connected()
    browser.chord(Keys.CONTROL, "k")
    until(lambda: browser.focused() == "search", 5, "the search has the focus")
    browser.keys(Keys.ARROW_DOWN)
    assert "Cy" in browser.focused()
    browser.keys(Keys.ARROW_DOWN)
    assert "Bob" in browser.focused()
    browser.keys(Keys.ENTER)
    browser.see("#chat-title", "Bob")
    until(lambda: browser.focused() == "composer-text", 5, "the text has the focus")
    browser.message("can you type?")
    browser.keys("I can", Keys.ENTER)
    browser.tick("I can", "sent")
    browser.chord(Keys.ALT, Keys.ARROW_DOWN)
    browser.see("#chat-title", "Cy")
    browser.chord(Keys.ALT, Keys.ARROW_UP)
    browser.see("#chat-title", "Bob")
    browser.message("can you type?")
    browser.message("I can")
    browser.chord(Keys.SHIFT, Keys.TAB)  # the emoji button
    browser.chord(Keys.SHIFT, Keys.TAB)  # the messages
    browser.keys(Keys.ARROW_UP)
    assert "I can" in browser.focused()
    browser.keys(Keys.ARROW_UP)
    assert "can you type?" in browser.focused()
    browser.keys(Keys.ENTER)
    browser.see("[role=menu]")
    browser.keys("r")
    assert browser.focused() == "Reply"
    browser.keys(Keys.ENTER)
    browser.see("#banner", "Reply to Bob")
    browser.keys("as you see", Keys.ENTER)
    browser.tick("as you see", "sent")
    assert ada.log(chat)[-1]["reply_to"] == 3
    browser.keys(Keys.ESCAPE)
    browser.see("#nothing-open")
    assert "Bob" in browser.focused(), "the focus is back in the list"


def test_up_in_an_empty_field_edits_the_last_own_message_and_escape_leaves_it(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    ada.say(chat, "fisrt")
    browser = browse(ada)
    browser.open_chat("Bob")
    browser.message("fisrt")
    browser.see("#composer-text").click()
    browser.keys(Keys.ARROW_UP)
    browser.see("#banner", "Edit message")
    assert browser.see("#composer-text").get_property("value") == "fisrt"
    browser.keys(Keys.ESCAPE)
    browser.gone("#banner")
    assert browser.see("#composer-text").get_property("value") == ""


def test_dialogs_take_and_give_back_the_focus(browse, people):
    ada, bob = people("Ada", "Bob")
    ada.group(bob, title="Mill")
    browser = browse(ada)
    browser.open_chat("Mill")
    browser.see("#settings-open").send_keys(Keys.ENTER)
    browser.see("dialog[open]")
    for _ in range(12):
        browser.keys(Keys.TAB)
        inside = browser.js("return document.querySelector('dialog[open]').contains(document.activeElement) || document.activeElement === document.body")
        assert inside, browser.focused()
    browser.keys(Keys.ESCAPE)
    browser.gone("dialog[open]")
    assert browser.focused() == "settings-open"
    browser.see("#chat-open-info").send_keys(Keys.ENTER)
    browser.see("dialog .members button", "Bob").send_keys(Keys.ENTER)
    browser.see("[role=menu]")
    browser.keys(Keys.ESCAPE)
    browser.gone("[role=menu]")
    assert "Bob" in browser.focused()
    browser.keys(Keys.ESCAPE)
    assert browser.focused() == "chat-open-info"


def test_tab_goes_through_the_page_in_its_order_and_out_of_everything(browse, people):
    ada, bob = people("Ada", "Bob")
    bob.say(ada.direct(bob), "hello")
    browser = browse(ada)
    browser.open_chat("Bob")
    browser.message("hello")
    browser.js("document.querySelector('#settings-open').focus()")
    order = ["settings-open"]
    for _ in range(13):
        browser.keys(Keys.TAB)
        order.append(browser.focused())
    wanted = ["settings-open", "search", "new-chat", "chat-open-info", "chat-search", "chat-menu", "timeline", "composer-emoji", "composer-text", "send"]
    assert [name for name in order if name in wanted][:len(wanted)] == wanted, order
