"""The SDK in a real browser against the real system: the outbox in IndexedDB, tabs that are closed and opened, one connection
for two tabs, what is shown offline. Its own page is /sdk/example.html, as strict as any other."""

import json
import time

import pytest

from server import until

LONG = 60

START = """
const [options, done] = arguments;
import("/sdk/parley.js").then(async ({ Parley }) => {
  window.told = [];
  if (options.cutOff) options.WebSocket = class extends WebSocket { constructor(url, name) { super(`${url}/nowhere`, name); } };
  window.parley = new Parley(options);
  for (const type of ["state", "event", "pending", "resync", "warning", "skipped"]) {
    parley.addEventListener(type, ({ detail }) => told.push({ type, detail: JSON.parse(JSON.stringify(detail)) }));
  }
  window.answers = [];
  window.sends = (chat, texts) => texts.forEach((text) => parley.send(chat, { text }).done.then((ok) => answers.push({ text, ...ok }), () => {}));
  const connecting = parley.connect();
  if (options.wait) await connecting;
  else connecting.catch(() => {});
}).then(() => done(null), (error) => done(String(error)));
"""


class Tab:
    """One tab of a browser, in which the SDK runs for a person."""

    def __init__(self, browser, person, wait=True):
        self.driver = browser.driver
        self.person = person
        if getattr(browser, "has_tab", False):
            self.driver.switch_to.new_window("tab")
        browser.has_tab = True
        self.handle = self.driver.current_window_handle
        browser.open("sdk/example.html")
        self.start(wait)

    def start(self, wait=True, cut_off=False):
        self.driver.switch_to.window(self.handle)
        options = {"token": self.person.token, "user": self.person.id, "device": self.person.device, "wait": wait,
                   "cutOff": cut_off}
        error = self.driver.execute_async_script(START, options)
        assert error is None, error

    def js(self, script, *arguments):
        self.driver.switch_to.window(self.handle)
        return self.driver.execute_script(script, *arguments)

    def reload(self, wait=True, cut_off=False):
        self.driver.switch_to.window(self.handle)
        self.driver.refresh()
        self.start(wait, cut_off)

    def close(self):
        """As a person closes it. (The last tab of a browser stays, empty.)"""
        self.driver.switch_to.window(self.handle)
        if len(self.driver.window_handles) == 1:
            self.driver.switch_to.new_window("tab")
            self.driver.switch_to.window(self.handle)
        self.driver.close()
        self.driver.switch_to.window(self.driver.window_handles[0])

    def send(self, chat, *texts):
        self.js("sends(arguments[0], arguments[1])", chat, texts)

    def pending(self):
        return self.js("return JSON.parse(JSON.stringify(parley.pending()))")

    def state(self):
        return self.js("return parley.state")

    def all(self, kind):
        return [line["detail"] for line in self.js("return told") if line["type"] == kind]

    def events(self, chat):
        return [event for event in self.all("event") if event["chat"] == chat]

    def seqs(self, chat):
        return [event["seq"] for event in self.events(chat)]

    def await_seq(self, chat, seq):
        until(lambda: self.seqs(chat)[-1:] == [seq], LONG, f"{seq} of {chat}; there is {self.seqs(chat)[-5:]}", 0.1)

    def await_stored(self, chat, seq):
        """What the browser keeps says that this device has everything up to it."""
        until(lambda: self.stored(chat) == seq, LONG, f"{seq} of {chat} is stored", 0.1)

    def stored(self, chat):
        self.driver.switch_to.window(self.handle)
        return self.driver.execute_async_script("""
          const [name, chat, done] = arguments;
          indexedDB.open(name).onsuccess = ({ target: { result: database } }) => {
            const asked = database.transaction("positions").objectStore("positions").get(["", chat]);
            asked.onsuccess = () => {
              database.close();
              done(asked.result?.seq ?? 0);
            };
          };
        """, f"parley-{self.person.id}", chat)

    def await_sent(self):
        """Only a page that is online has certainly read what the one before it has left."""
        until(lambda: self.state() == "online" and self.pending() == [], LONG, f"nothing is on its way: {self.pending()}", 0.1)

    def check(self):
        assert self.all("warning") == [] and self.all("skipped") == []


@pytest.fixture
def pair(people):
    ann, bob = people("Ann", "Bob")
    return ann, bob, ann.group(bob)


def head(person, chat):
    return person.log(chat)[-1]["seq"]


def connections(world):
    """Of the WebSocket, as delivery counts them."""
    text = world.operations.call("GET", "/delivery/metrics").body.decode()
    return next(int(float(line.split()[-1])) for line in text.splitlines() if line.startswith("parley_delivery_connections "))


def test_the_example_is_a_chat(world, people, browse):
    ann, bob = people("Ann", "Bob")
    hers, his = browse(), browse()
    for browser, person, other, text in ((hers, ann, bob, "from ann"), (his, bob, ann, "from bob")):
        browser.allowed.append("status of 409")  # it tries to register first
        browser.open("sdk/example.html")
        for name, value in (("name", person.username), ("password", person.password), ("other", other.username), ("text", text)):
            browser.type(f"[name={name}]", value)
        browser.click("button")
    hers.see("li", "from bob")
    his.see("li", "from ann")
    his.type("[name=text]", "and again")
    his.click("button")
    hers.see("li", "and again")
    assert his.texts("li").count("and again") == 1


def test_what_comes_while_the_page_is_away_comes_once_when_it_is_back(pair, browse):
    ann, bob, chat = pair
    tab = Tab(browse(), bob)
    seq = ann.say(chat, "first")["seq"]
    tab.await_stored(chat, seq)
    for number in range(100):
        ann.say(chat, f"away {number}")
        if number == 50:
            tab.reload()
    tab.await_seq(chat, head(ann, chat))
    seqs = tab.seqs(chat)
    assert seqs == list(range(seqs[0], seqs[-1] + 1))
    tab.check()


@pytest.mark.parametrize("when", ["at once", "while the first is being sent"])
def test_a_tab_closed_in_mid_send_and_opened_again_sends_everything_once(parley, pair, browse, when):
    ann, bob, chat = pair
    browser = browse()
    tab = Tab(browser, bob)
    texts = [f"mid-send {number}" for number in range(20)]
    with parley.frozen("chat"):
        tab.send(chat, *texts)
        if when != "at once":
            until(lambda: [entry["state"] for entry in tab.pending()].count("sending") == 1, 10, "the first is being sent")
        tab.close()
    again = Tab(browser, bob)
    again.await_sent()
    assert ann.texts(chat) == texts
    again.await_seq(chat, head(ann, chat))
    again.check()


def test_a_reload_at_any_moment_of_sending_loses_and_repeats_nothing(pair, browse):
    ann, bob, chat = pair
    tab = Tab(browse(), bob)
    texts = []
    for number in range(8):
        texts += [f"reload {number} {part}" for part in range(6)]
        tab.send(chat, *texts[-6:])
        time.sleep(0.02 * number)
        tab.reload(wait=False)
    tab.await_sent()
    assert ann.texts(chat) == texts
    tab.check()


def test_two_tabs_share_one_connection_and_see_the_same(world, pair, browse):
    ann, bob, chat = pair
    until(lambda: connections(world) == 0, 10, "those of earlier tests are gone")
    browser = browse()
    first, second = Tab(browser, bob), Tab(browser, bob)
    assert connections(world) == 1
    ann.say(chat, "to both")
    first.send(chat, "from the first")
    second.send(chat, "from the second")
    for tab in (first, second):
        tab.await_sent()
        tab.await_seq(chat, 5)
        assert tab.seqs(chat)[-3:] == [3, 4, 5]
        tab.check()
    until(lambda: second.js("return answers.length") == 1, 10, "the second knows where its message is")


def test_when_the_tab_with_the_connection_is_closed_the_other_goes_on_at_once(pair, browse):
    ann, bob, chat = pair
    browser = browse()
    first, second = Tab(browser, bob), Tab(browser, bob)
    for number in range(10):
        ann.say(chat, f"before {number}")
    first.close()
    for number in range(10):
        ann.say(chat, f"after {number}")
    second.send(chat, "I go on")
    second.await_sent()
    second.await_seq(chat, head(ann, chat))
    seqs = second.seqs(chat)
    assert seqs == list(range(seqs[0], seqs[-1] + 1)) and len(seqs) >= 21
    second.check()


def test_a_tab_closed_in_mid_send_leaves_its_messages_to_the_other(parley, pair, browse):
    ann, bob, chat = pair
    browser = browse()
    first, second = Tab(browser, bob), Tab(browser, bob)
    with parley.frozen("chat"):
        first.send(chat, "one", "two", "three")
        until(lambda: len(second.pending()) == 3, 10, "the other tab sees them on their way")
        first.close()
    second.await_sent()
    assert ann.texts(chat) == ["one", "two", "three"]


@pytest.mark.parametrize("name", ["chat", "delivery", "redis"])
def test_a_daemon_killed_while_two_people_talk_in_browsers(parley, pair, browse, name):
    ann, bob, chat = pair
    browsers = [browse(), browse()]
    for browser in browsers:
        browser.allowed += ["WebSocket", "status of 50"]  # while the daemon is away
    tabs = [Tab(browser, person) for browser, person in zip(browsers, pair)]
    sent = [[], []]
    for turn in range(6):
        if turn in (2, 4):
            parley.kill(name)
        for tab, texts in zip(tabs, sent):
            texts.append(f"{tab.person.username} {turn}")
            tab.send(chat, texts[-1])
    for tab in tabs:
        tab.await_sent()
    parley.await_ready()
    log = ann.log(chat)
    for tab, texts in zip(tabs, sent):
        own = [event["body"]["text"] for event in log if event["sender"] == tab.person.id and event["type"] == "message"]
        assert own == texts
        tab.await_seq(chat, log[-1]["seq"])
        assert tab.seqs(chat) == [event["seq"] for event in log]
        tab.check()


def test_offline_it_shows_what_was_seen_and_keeps_what_is_said(pair, browse):
    ann, bob, chat = pair
    browser = browse()
    browser.allowed += ["ERR_BLOCKED_BY_CLIENT", "WebSocket"]
    tab = Tab(browser, bob)
    for number in range(30):
        seq = ann.say(chat, f"seen {number}")["seq"]
    tab.await_stored(chat, seq)
    browser.cdp("Network.enable")
    browser.cdp("Network.setBlockedURLs", urls=["*/v1/*"])  # not WebSockets, which Chromium does not block
    tab.reload(wait=False, cut_off=True)
    shown = tab.driver.execute_async_script("""
      const [chat, done] = arguments;
      parley.timeline(chat).then((timeline) => done(timeline.entries.map(({ event }) => event.seq)), (error) => done(String(error)));
    """, chat)
    assert shown == list(range(1, seq + 1))
    tab.send(chat, "said offline")
    until(lambda: [entry["body"]["text"] for entry in tab.pending()] == ["said offline"], 10, "it waits")
    browser.cdp("Network.setBlockedURLs", urls=[])
    tab.reload()
    tab.await_sent()
    assert ann.texts(chat)[-1] == "said offline"


def test_logging_out_leaves_nothing_in_the_browser(pair, browse):
    ann, bob, chat = pair
    browser = browse()
    first, second = Tab(browser, bob), Tab(browser, bob)
    second.await_seq(chat, ann.say(chat, "a secret of the two")["seq"])
    second.driver.execute_async_script("const done = arguments[0]; parley.logout().then(() => done(), () => done())")
    until(lambda: first.state() == "ended", 10, "the other tab has ended too")
    left = first.driver.execute_async_script("""
      const [name, done] = arguments;
      indexedDB.open(name).onsuccess = async ({ target: { result: database } }) => {
        const all = (table) => new Promise((resolve) => {
          database.transaction(table).objectStore(table).getAll().onsuccess = ({ target }) => resolve(target.result);
        });
        const rows = await Promise.all([...database.objectStoreNames].map(all));
        done(JSON.stringify(rows.flat()));
      };
    """, f"parley-{bob.id}")
    assert json.loads(left) == []
