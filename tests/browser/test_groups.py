"""Groups and channels: making them, their members and roles, mentions."""

from selenium.webdriver.common.keys import Keys

from server import until


def choose(browser, *persons):
    for person in persons:
        browser.type("dialog .picker input[type=search]", person.username)
        browser.click("dialog .results button", person.name)
        browser.see("dialog .chip", person.name)


def member_menu(browser, name, label):
    browser.click("dialog .members button", name)
    browser.click("[role=menuitem]", label)


def test_a_group_from_its_making_to_its_end(browse, people):
    ada, bob, cy = people("Ada", "Bob Babbage", "Cy Twombly")
    browser = browse(ada)
    browser.click("#new-chat")
    browser.click("[role=menuitem]", "New group")
    browser.type("dialog input[name=title]", "Analytical engine")
    choose(browser, bob)
    browser.click("dialog button", "Create the group")
    browser.see("#chat-title", "Analytical engine")
    chat = ada.get("/v1/chats")["items"][0]["chat"]["id"]

    browser.click("#chat-open-info")
    browser.click("dialog button", "Add members")
    choose(browser, cy)
    browser.click("dialog:last-of-type button", "Add")
    browser.see("dialog .members button", "Cy Twombly")
    assert ada.roles(chat) == {ada.id: "owner", bob.id: "member", cy.id: "member"}

    member_menu(browser, "Bob Babbage", "Make an admin")
    browser.see("dialog .members .role.admin")
    member_menu(browser, "Cy Twombly", "Make a reader")
    browser.see("dialog .members .role.reader")
    assert ada.roles(chat) == {ada.id: "owner", bob.id: "admin", cy.id: "reader"}

    browser.click("dialog button", "Edit")
    browser.type("dialog:last-of-type input[name=title]", "Difference engine")
    browser.type("dialog:last-of-type textarea", "All about cards")
    browser.click("dialog:last-of-type button", "Save")
    browser.see("dialog .description", "All about cards")
    browser.see("#chat-title", "Difference engine")

    member_menu(browser, "Cy Twombly", "Remove from the chat")
    browser.click("dialog:last-of-type button.danger", "Remove")
    until(lambda: cy.id not in ada.roles(chat), 10, "Cy is removed")
    browser.gone("dialog .members button", "Cy Twombly")

    browser.allowed.append("409")
    browser.click("dialog button", "Leave")
    browser.click("dialog:last-of-type button.danger", "Leave")
    browser.see(".note", "Hand the chat over first")
    member_menu(browser, "Bob Babbage", "Hand the chat over")
    browser.click("dialog:last-of-type button.danger", "Hand over")
    until(lambda: ada.roles(chat) == {ada.id: "admin", bob.id: "owner"}, 10, "Bob is the owner")
    browser.click("dialog button", "Leave")
    browser.click("dialog:last-of-type button.danger", "Leave")
    browser.see("#nothing-open")
    browser.gone("#chats a.chat", "Difference engine")
    assert bob.roles(chat) == {bob.id: "owner"}


def test_the_owner_deletes_a_chat_for_everybody(browse, people):
    ada, bob = people("Ada", "Bob")
    ada.group(bob, title="Soon gone")
    here, there = browse(ada), browse(bob)
    there.allowed += ["404", "403"]
    here.allowed += ["404", "403"]
    here.open_chat("Soon gone")
    there.open_chat("Soon gone")
    here.click("#chat-open-info")
    here.click("dialog button", "Delete for everyone")
    here.click("dialog:last-of-type button.danger", "Delete for everyone")
    here.gone("#chats a.chat", "Soon gone")
    there.gone("#chats a.chat", "Soon gone")
    there.see("#nothing-open")


def test_readers_of_a_channel_read_and_have_nothing_to_write_into(browse, people):
    ada, bob = people("Ada", "Bob")
    here = browse(ada)
    here.click("#new-chat")
    here.click("[role=menuitem]", "New channel")
    here.type("dialog input[name=title]", "News of the mill")
    choose(here, bob)
    here.click("dialog button", "Create the channel")
    here.see("#chat-title", "News of the mill")
    here.say("The mill turns")
    there = browse(bob)
    there.click("#chats a.chat", "News of the mill")
    there.message("The mill turns")
    there.see("#no-writing", "you are a reader")
    assert there.shown("#composer") is None


def test_a_mention_is_completed_sent_and_set_apart(browse, people):
    ada, bob, cy = people("Ada", "Bob Babbage", "Bobette")
    chat = ada.group(bob, cy, title="Mill")
    browser = browse(ada)
    browser.open_chat("Mill")
    browser.type("#composer-text", "look, @bob")
    browser.see("#mention-box [role=option]", "Bob Babbage")
    browser.see("#mention-box [role=option]", "Bobette")
    assert len(browser.all("#mention-box [role=option]")) == 2
    browser.keys(Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ENTER)
    assert browser.see("#composer-text").get_property("value") == f"look, @{bob.username} "
    browser.keys("and see", Keys.ENTER)
    browser.see("#messages .mention", f"@{bob.username}")
    browser.tick("look, @", "sent")
    event = ada.log(chat)[-1]
    assert event["mentions"] == [bob.id]
    there = browse(bob)
    there.open_chat("Mill")
    there.see("#messages .mentions-me .mention.me", f"@{bob.username}")


def test_names_that_are_not_known_yet_come_while_one_writes(browse, people):
    ada, bob, cy = people("Ada", "Bob Babbage", "Bobette")
    ada.group(bob, cy, title="Mill")
    browser = browse()
    browser.open()
    browser.js("""
        const asked = window.fetch, late = arguments[0];
        const held = new Promise((resolve) => { window.letGo = resolve; });
        window.fetch = async (address, options) => {
            const answer = await asked(address, options);
            if (address.endsWith(`/v1/users/${late}`)) await held;
            return answer;
        };
    """, bob.id)
    browser.enter(ada)
    browser.open_chat("Mill")
    browser.type("#composer-text", "look, @bob")
    browser.see("#mention-box [role=option][aria-selected=true]", "Bobette")
    browser.js("letGo()")
    browser.see("#mention-box [role=option]", "Bob Babbage")
    browser.see("#mention-box [role=option][aria-selected=true]", "Bobette")  # what was chosen stays chosen
    browser.keys(Keys.ESCAPE)
    browser.gone("#mention-box")
    assert browser.see("#composer-text").get_property("value") == "look, @bob"


def test_somebody_who_is_removed_sees_the_chat_go(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.group(bob, title="Inner circle")
    browser = browse(bob)
    browser.allowed += ["403", "404"]
    browser.open_chat("Inner circle")
    ada.remove(chat, bob)
    browser.gone("#chats a.chat", "Inner circle")
    browser.see("#nothing-open")


def test_members_that_were_read_before_one_went_do_not_bring_them_back(browse, people):
    ada, bob, cy = people("Ada", "Bob Babbage", "Cy Twombly")
    chat = ada.group(bob, cy, title="Mill")
    browser = browse()
    browser.open()
    browser.js("""
        const asked = window.fetch;
        const held = new Promise((resolve) => { window.letGo = resolve; });
        window.waiting = 0;
        window.fetch = async (address, options) => {
            const answer = await asked(address, options);
            if (address.includes("/members?limit=200")) {
                waiting++;
                await held;
            }
            return answer;
        };
    """)
    browser.enter(ada)
    browser.open_chat("Mill")
    until(lambda: browser.js("return waiting") >= 1, 10, "the members are on their way")
    ada.remove(chat, cy)
    browser.see("#messages li.notice", "removed Cy Twombly")
    browser.js("letGo()")
    browser.click("#chat-open-info")
    browser.see("dialog .members button", "Bob Babbage")
    assert browser.shown("dialog .members button", "Cy Twombly") is None


def test_enter_chooses_who_was_typed_not_who_was_found_before(browse, people):
    ada, bob, cy = people("Ada", "Bob Babbage", "Cy Twombly")
    browser = browse(ada)
    browser.click("#new-chat")
    browser.click("[role=menuitem]", "New group")
    browser.type("dialog input[name=title]", "Mill")
    browser.type("dialog .picker input", bob.username)
    browser.see("dialog .results button", "Bob Babbage")
    browser.chord(Keys.CONTROL, "a")
    browser.keys(cy.username, Keys.ENTER)
    browser.see("dialog .chip", "Cy Twombly")
    assert browser.texts("dialog .chip bdi") == ["Cy Twombly"]
    browser.keys(bob.username, Keys.ENTER)
    browser.see("dialog .chip", "Bob Babbage")
    browser.keys("nobody-at-all", Keys.ENTER)
    browser.see("dialog .picker [role=status]", "Nobody has a username that begins so.")
    assert browser.texts("dialog .chip bdi") == ["Cy Twombly", "Bob Babbage"]
    browser.see("dialog h2", "New group")


LISTINGS_WAIT = """
    const asked = window.fetch;
    window.waiting = 0;
    window.letGo = () => {};
    window.holdListings = () => { window.held = new Promise((resolve) => { window.letGo = resolve; }); };
    window.fetch = async (address, options) => {
        const answer = await asked(address, options);
        if (window.held && options.method === "GET" && new URL(address).pathname === "/v1/chats") {
            waiting++;
            await held;
        }
        return answer;
    };
"""


def test_a_list_that_was_read_before_something_happened_does_not_undo_it(browse, people):
    ada, bob, cy = people("Ada", "Bob Babbage", "Cy Twombly")
    old = bob.group(ada, title="The old mill")
    browser = browse()
    browser.open()
    browser.js(LISTINGS_WAIT)
    browser.enter(ada)
    browser.see("#chats a.chat", "The old mill")
    browser.js("holdListings()")
    bob.group(ada, title="The new mill")  # the page reads its list because of it
    until(lambda: browser.js("return waiting") == 1, 10, "the list is on its way")
    bob.remove(old, ada)
    browser.gone("#chats a.chat", "The old mill")
    browser.click("#new-chat")
    browser.click("[role=menuitem]", "New message")
    browser.keys(cy.username)
    browser.click("dialog .results button", "Cy Twombly")
    browser.see("#chat-title", "Cy Twombly")
    browser.js("""
        window.closings = 0;
        new MutationObserver(() => closings++).observe(document.querySelector("#chat-view"), { attributeFilter: ["hidden"] });
        window.held = null;
        letGo();
    """)
    browser.see("#chats a.chat", "The new mill")
    browser.see("#chats a.chat", "Cy Twombly")
    assert browser.js("return closings") == 0
    assert browser.shown("#chats a.chat", "The old mill") is None
