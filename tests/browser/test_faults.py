"""Nothing lost and nothing repeated, whatever happens to the page, the network or the daemons."""

import itertools
import re

from selenium.webdriver.common.keys import Keys

from server import until

NETWORK = ["ERR_", "WebSocket connection", "502", "503", "504"]
WANTED = 8


def all_in_log(person, chat, texts, seconds=40):
    """All texts, each once, in their order."""
    until(lambda: len(person.texts(chat)) >= len(texts), seconds, "all messages are in the log")
    assert person.texts(chat) == texts


def shown(browser, texts, seconds=40):
    until(lambda: [text for text in browser.messages() if text in texts] == texts, seconds, f"all messages on the page: {browser.messages()}")


def test_two_tabs_of_one_login_show_and_send_the_same(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    browser = browse(ada)
    browser.open_chat("Bob")
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    second = browser.driver.current_window_handle
    browser.cdp("Emulation.setFocusEmulationEnabled", enabled=True)
    browser.open(f"#{chat}")
    browser.see("#chat-title", "Bob")
    browser.say("from the second tab")
    browser.tick("from the second tab", "sent")
    bob.say(chat, "to both tabs")
    texts = ["from the second tab", "to both tabs", "from the first tab", "and again from the second"]
    browser.message("to both tabs")
    browser.driver.switch_to.window(first)
    browser.message("to both tabs")
    browser.say("from the first tab")
    browser.tick("from the first tab", "sent")
    browser.driver.close()  # the tab that had the connection
    browser.driver.switch_to.window(second)
    browser.message("from the first tab")
    browser.say("and again from the second")
    browser.tick("and again from the second", "sent", 40)
    all_in_log(ada, chat, texts)
    shown(browser, texts)


def test_a_reload_in_mid_send_neither_loses_nor_repeats(browse, people, parley):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    browser = browse(ada)
    browser.allowed += NETWORK
    browser.open_chat("Bob")
    texts = [f"number {i}" for i in range(WANTED)]
    with parley.frozen("chat"):
        for text in texts[:4]:
            browser.say(text)
        browser.see("#messages li.message", texts[3])
        browser.reload()
        browser.see("#messages li.message", texts[3])
    for text in texts[4:]:
        browser.say(text)
    browser.reload()
    all_in_log(ada, chat, texts)
    browser.tick(texts[-1], "sent", 40)
    shown(browser, texts)


def test_daemons_that_are_killed_while_two_people_write(browse, people, parley, allowed_errors):
    allowed_errors.update({"feed_page_failed", "publish_failed", "request_failed", "store_failed", "metadata_unavailable"})
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    here, there = browse(ada), browse(bob)
    for browser in (here, there):
        browser.allowed += NETWORK
    here.open_chat("Bob")
    there.open_chat("Ada")
    numbers = itertools.count()
    texts = []

    def say(browser):
        texts.append(f"number {next(numbers)}")
        browser.say(texts[-1])

    for daemon in ("delivery", "chat", "metadata", "user"):
        say(here)
        parley.kill(daemon, wait=False)
        say(here)
        parley.await_ready()
    mine = list(texts)
    until(lambda: len(ada.texts(chat)) >= len(texts), 60, "all messages are in the log")
    assert ada.texts(chat) == mine
    shown(here, mine)
    shown(there, mine)
    there.say("and back")
    here.message("and back", 40)


def test_a_restart_of_everything(browse, people, parley):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    browser = browse(ada)
    browser.allowed += NETWORK
    browser.open_chat("Bob")
    browser.say("before")
    browser.tick("before", "sent")
    parley.restart()
    browser.say("after")
    browser.tick("after", "sent", 60)
    browser.connected(60)
    all_in_log(ada, chat, ["before", "after"])
    shown(browser, ["before", "after"])


LONG_WAIT = re.compile(r"Next try in (1[0-9]|[2-9][0-9]) s")


def test_offline_is_told_and_what_was_written_goes_when_the_person_tries_now(browse, people, network):
    ada, bob = people("Ada", "Bob")
    chat = ada.direct(bob)
    bob.say(chat, "seen before")
    browser = browse(url=network.url)
    browser.allowed += NETWORK
    browser.open()
    browser.js("Math.random = () => 0.999")  # every wait is the whole of what it may be
    browser.enter(ada)
    browser.open_chat("Bob")
    browser.message("seen before")
    with network.away():
        browser.say("written offline")
        browser.say("and one more")
        browser.see("#connection", "Offline since", 60)
        browser.see("#connection", "2 messages will be sent then.", 60)
        browser.tick("written offline", "waiting")
        browser.picture("offline")
        bob.say(chat, "said meanwhile")
        until(lambda: LONG_WAIT.search(browser.text("#connection")), 60, "the next try is far away")
    browser.click("#connection button", "Try now")
    browser.connected(8)
    browser.tick("and one more", "sent")
    texts = ["seen before", "said meanwhile", "written offline", "and one more"]
    all_in_log(ada, chat, texts)
    shown(browser, texts)


def test_each_try_to_connect_is_seen_and_neither_read_aloud_nor_takes_the_focus_away(browse, people, network):
    (ada,) = people("Ada")
    browser = browse(ada, url=network.url)
    browser.allowed += NETWORK
    with network.away():
        browser.see("#connection button", "Try now", 60).send_keys(Keys.SHIFT)  # it has the focus
        browser.js("""
            const bar = document.querySelector("#connection");
            window.seen = new Set();
            window.spoken = [];
            const elementOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement);
            new MutationObserver((changes) => {
                seen.add(bar.textContent);
                for (const { target } of changes) if (!elementOf(target).closest("[aria-hidden=true]")) spoken.push(bar.textContent);
            }).observe(bar, { childList: true, characterData: true, subtree: true });
        """)
        for _ in range(3):
            browser.js("seen.clear()")
            browser.keys(Keys.ENTER)
            until(lambda: browser.js("return [...seen].some((text) => text.includes('Trying'))"), 10, "it tries")
            assert browser.focused() == "Try now"
        until(lambda: browser.js("return [...seen].some((text) => /Next try in [0-9]+ s/.test(text))"), 60, "it counts")
        assert browser.js("return spoken") == []


def test_a_chat_that_cannot_be_read_is_not_called_empty_and_comes_by_itself(browse, people):
    ada, bob = people("Ada", "Bob")
    bob.say(ada.direct(bob), "there all the time")
    browser = browse(ada)
    browser.allowed.append("ERR_BLOCKED_BY_CLIENT")
    browser.see("#chats .chat-preview", "there all the time")
    browser.cdp("Network.enable")
    browser.cdp("Network.setBlockedURLs", urls=["*/events?*"])
    browser.open_chat("Bob")
    browser.see("#older", "Older messages: The server cannot be reached.")
    assert browser.shown("#no-messages") is None
    browser.cdp("Network.setBlockedURLs", urls=[])
    browser.message("there all the time", 60)
    browser.gone("#older")


def test_the_page_opens_without_a_network_and_shows_what_it_has_seen(browse, people, network):
    ada, bob = people("Ada", "Bob Babbage")
    chat = ada.direct(bob)
    bob.say(chat, "kept for hard times")
    browser = browse(ada, url=network.url)
    browser.allowed += NETWORK
    browser.open_chat("Bob Babbage")
    browser.message("kept for hard times")
    until(lambda: browser.js("return navigator.serviceWorker.getRegistration().then((r) => Boolean(r?.active))"), 20, "the service worker runs")
    until(lambda: browser.js("return caches.match('/whole').then(Boolean)"), 20, "files are kept")
    with network.away():
        browser.reload()
        browser.see("#connection", "since", 30)
        browser.see("#chat-title", "Bob Babbage")
        browser.message("kept for hard times")
        browser.type("#composer-text", "written without a server")
        browser.keys(Keys.ENTER)
        browser.see("#messages li.message", "written without a server")
    browser.tick("written without a server", "sent", 60)
    all_in_log(ada, chat, ["kept for hard times", "written without a server"])


def test_a_newer_page_is_told_of_and_loaded_whole(browse, people):
    (ada,) = people("Ada")
    browser = browse(ada)
    until(lambda: browser.js("return caches.match('/whole').then(Boolean)"), 20, "files are kept")
    browser.js("""return (async () => {
        const [name] = (await caches.keys()).filter((each) => each.startsWith('parley-page-'));
        const cache = await caches.open(name);
        const page = await (await cache.match('/')).text();
        const old = await caches.open(name.replace(/-[0-9a-f]+$/, '-0000000000000000'));
        for (const request of await cache.keys()) await old.put(request, await cache.match(request));
        await old.put('/', new Response(page.replace('Choose a chat, or begin one.', 'An old page.'), { headers: { 'Content-Type': 'text/html' } }));
        await caches.delete(name);
    })()""")
    browser.reload()
    browser.see("#nothing-open", "An old page.")
    browser.see("#newer-page", "newer version", 20)
    browser.click("#newer-page-load")
    browser.see("#nothing-open", "Choose a chat, or begin one.")
    browser.connected()
