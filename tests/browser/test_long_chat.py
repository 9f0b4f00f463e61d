"""A chat of 10,000 messages."""

import json
import os
import time

import pytest
import websocket

from browser import PICTURES
from contract import ROOT
from server import until

MESSAGES = 10_000
MOST_ROWS = 250         # in the document, however long the chat is
STEP_PX = 900


def fill(person, chat, count):
    """Messages in flight on one connection; without the checks of the system tests, which are not what this is about."""
    wire = websocket.create_connection(f"ws://{person.address[0]}:{person.address[1]}/v1/ws", timeout=30, subprotocols=["parley.v1"], suppress_origin=True)
    wire.send(json.dumps({"op": "auth", "token": person.token}))
    sent = done = n = 0
    while done < count:
        while sent < count and sent - done < 100:
            text = f"message {sent}" + " and some more words" * (sent % 7) + ("\nand a second line" if sent % 11 == 0 else "")
            wire.send(json.dumps({"op": "send", "id": str(sent), "chat": chat, "client_id": f"long-{sent}", "body": {"text": text}}))
            sent += 1
        frame = json.loads(wire.recv())
        if frame["op"] == "ok":
            done += 1
        elif frame["op"] == "event":
            n = frame["n"]
            if n % 32 == 0:
                wire.send(json.dumps({"op": "ack", "n": n}))
        elif frame["op"] == "error":
            raise AssertionError(frame)
    wire.close()


@pytest.fixture
def long_chat(people):
    ada, bob = people("Ada", "Bob")
    chat = ada.group(bob, title="A long story")
    fill(bob, chat, MESSAGES)
    ada.put(f"/v1/chats/{chat}/receipts", {"read": MESSAGES + 2})
    return ada, bob, chat


def rows(browser):
    return browser.js("return document.querySelectorAll('#messages > li').length")


def first_visible(browser):
    """The text of the first row that is seen, and where its top is."""
    return browser.js("""
        const top = document.querySelector('#timeline').getBoundingClientRect().top;
        for (const row of document.querySelectorAll('#messages > li.message')) {
            const box = row.getBoundingClientRect();
            if (box.bottom > top + 1) return [row.querySelector('.text').textContent, Math.round(box.top - top)];
        }""")


def at_rest(browser):
    """Waits until nothing of the timeline has moved for longer than the list waits before it sets itself right."""
    browser.driver.execute_async_script("""
        const done = arguments[0];
        const timeline = document.querySelector("#timeline");
        let last = null, since = 0;
        const look = (now) => {
            const place = [timeline.scrollTop, timeline.scrollHeight, timeline.querySelector("li.message").getBoundingClientRect().top].join();
            if (place !== last) [last, since] = [place, now];
            if (now - since > 400) done();
            else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
    """)


def test_ten_thousand_messages_scroll_smoothly_with_few_rows_in_the_document(browse, long_chat, parley):
    ada, bob, chat = long_chat
    browser = browse(ada)
    began = time.monotonic()
    browser.open_chat("A long story")
    browser.message(f"message {MESSAGES - 1}")
    opened_s = time.monotonic() - began

    # Up to the beginning, page by page, always with few rows.
    most = 0
    began = time.monotonic()
    deadline = began + 120
    while not browser.js("return [...document.querySelectorAll('#messages .text')].some((text) => text.textContent.startsWith('message 0') && text.getBoundingClientRect().bottom > 60)"):
        assert time.monotonic() < deadline, f"not at the beginning: {first_visible(browser)}"
        browser.js("document.querySelector('#timeline').scrollTop = 0")
        most = max(most, rows(browser))
        time.sleep(0.02)
    up_s = time.monotonic() - began
    assert most <= MOST_ROWS, f"{most} rows in the document"

    # Down again in steps, a frame each: how long the frames were, and that each step shows rows everywhere.
    browser.driver.set_script_timeout(120)
    frames = browser.driver.execute_async_script("""
        const [step, done] = [arguments[0], arguments[1]];
        const timeline = document.querySelector('#timeline');
        const times = [];
        let holes = 0, most = 0, last = performance.now(), steps = 0;
        const next = () => {
            const now = performance.now();
            times.push(now - last);
            last = now;
            const box = timeline.getBoundingClientRect();
            for (const part of [.1, .5, .9]) {
                const there = document.elementFromPoint(box.left + box.width / 2, box.top + box.height * part);
                if (!there.closest('#messages > li')) holes++;
            }
            most = Math.max(most, document.querySelectorAll('#messages > li').length);
            const end = timeline.scrollHeight - timeline.clientHeight - timeline.scrollTop < 2;
            if (end || ++steps > 2000) return done({ times, holes, most, steps });
            timeline.scrollTop += step;
            requestAnimationFrame(next);
        };
        requestAnimationFrame(next);""", STEP_PX)
    times = sorted(frames["times"])
    figures = {
        "messages": MESSAGES, "opened_s": round(opened_s, 2), "to_the_beginning_s": round(up_s, 2), "frames": len(times),
        "median_ms": round(times[len(times) // 2], 1), "p95_ms": round(times[int(len(times) * .95)], 1), "worst_ms": round(times[-1], 1),
        "rows_at_most": max(most, frames["most"]), "places_without_a_row": frames["holes"]}
    print(f"\nlong chat: {json.dumps(figures)}")
    with open(os.path.join(ROOT, PICTURES, "long_chat.json"), "w", encoding="utf-8") as file:
        json.dump(figures, file, indent=1)
    assert frames["most"] <= MOST_ROWS
    assert frames["steps"] > 100 and frames["holes"] <= frames["steps"] * 3 * 0.02, figures
    assert figures["median_ms"] < 200, figures
    browser.message(f"message {MESSAGES - 1}")


def test_what_is_read_stays_in_place_when_older_and_newer_messages_come(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.group(bob, title="A long story")
    fill(bob, chat, 400)
    ada.put(f"/v1/chats/{chat}/receipts", {"read": 402})
    browser = browse(ada)
    browser.open_chat("A long story")
    browser.message("message 399")
    browser.js("document.querySelector('#timeline').scrollTop -= 700")
    at_rest(browser)
    before = first_visible(browser)
    bob.say(chat, "news that must not move it")
    browser.see("#newer-count", "1")
    at_rest(browser)
    text, top = first_visible(browser)
    assert text == before[0] and abs(top - before[1]) <= 2, (before, text, top)
    browser.js("document.querySelector('#timeline').scrollTop = 1000")
    at_rest(browser)
    height = browser.js("return document.querySelector('#timeline').scrollHeight")
    browser.js("document.querySelector('#timeline').scrollTop -= 300")  # near the top: older ones come
    before = first_visible(browser)
    until(lambda: browser.js("return document.querySelector('#timeline').scrollHeight") > height + 1000, 15, "older messages")
    at_rest(browser)
    text, top = first_visible(browser)
    assert text == before[0] and abs(top - before[1]) <= 2, (before, text, top)
    browser.click("#to-newest")
    browser.message("news that must not move it")
    browser.gone("#to-newest")


def test_a_link_to_a_message_far_back_leads_there(browse, people):
    ada, bob = people("Ada", "Bob")
    chat = ada.group(bob, title="A long story")
    fill(bob, chat, 900)
    browser = browse(ada)
    browser.open(f"#{chat}/10")
    browser.see("#messages li.message.flash", "message 7", 30)
