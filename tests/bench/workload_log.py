"""The log: pages of chats of many messages, searches in one, and what a device of many chats lacks."""

import http.client
import json
import os
import socket
import statistics
import time

LONG, SHORT = 1_000_000, 1_000
PAGE, PAGES = 50, 300
CHATS, BUSY = 500, 100_000
SEARCHES, SLICE = 300, 10_000  # SLICE: events that are indexed in one statement
CHANGED, MISSED = 3, 10  # chats of a sync that have something new, and how much


class UnixConnection(http.client.HTTPConnection):
    """Past the front door."""

    def __init__(self, path):
        super().__init__("bench")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def fill(bench, token, chat, count):
    """The person writes so many messages into the chat, all of them stored."""
    plan = bench.plan(f"log{chat}", [token], [(0, chat)])
    report = bench.run("talk", plan, window=256, warm=0, messages=count, seconds=600)
    assert report["answered"] == count
    os.unlink(plan)


def log_bytes(bench):
    """Of all events, with their indexes, on the disk."""
    return int(bench.parley.psql("select pg_total_relation_size('chat.event')"))


def log(bench, count):
    """Somebody alone in a chat of so many messages; and the bytes that one takes."""
    def make():
        person, = bench.once("writer of logs", lambda: bench.parley.people(1))
        chat = bench.parley.chat(person)
        before = log_bytes(bench)
        fill(bench, person[1], chat, count)
        return person[1], chat, (log_bytes(bench) - before) / count
    return bench.once(f"log of {count}", make)


def median_ms(bench, call):
    return statistics.median(times_ms(bench, PAGES, call))


def times_ms(bench, count, call):
    connection = UnixConnection(f"{bench.parley.run_dir}/chat.http")
    times = []
    for number in range(count):
        method, path, token, body = call(number)
        began = time.perf_counter()
        connection.request(method, path, body, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        times.append((time.perf_counter() - began) * 1000)
        assert answer.status == 200, text[:300]
    connection.close()
    return times


def page_ms(bench, count):
    """A page of fifty from the middle of a chat of so many."""
    token, chat, _ = log(bench, count)
    return median_ms(bench, lambda number: (
        "GET", f"/v1/chats/{chat}/events?after={count // 3 + number * PAGE % (count // 2)}&limit={PAGE}", token, None))


def history_million(bench):
    """A page of fifty in the middle of a chat of a million, over the same in a chat of a thousand."""
    long_ms, short_ms = page_ms(bench, LONG), page_ms(bench, SHORT)
    _, _, bytes_each = log(bench, LONG)
    return {"value": long_ms / short_ms,
            "details": {"long_ms": round(long_ms, 3), "short_ms": round(short_ms, 3), "bytes_per_message": round(bytes_each)}}


def index_all(bench):
    """Search has everything in its index: made here, since the daemon leaves the machine to others most of the time. Seconds for it."""
    began = time.perf_counter()
    for partition in bench.parley.psql("select partition from chat.partition where head_offset > 0").split():
        while bench.parley.psql(f"select sum(taken) from (select (chat.index_slice({partition}, 1000, 1000000)).taken "
                                f"from generate_series(1, {SLICE // 1000})) slices").strip() != "0":
            pass
    bench.parley.psql("checkpoint")
    return time.perf_counter() - began


def index_bytes(bench):
    """Of what search has of all messages, on the disk."""
    return int(bench.parley.psql("select pg_total_relation_size('chat.search_document') + pg_total_relation_size('chat.search_block')"))


def search_million(bench):
    """The first page of fifty for a word that each of a million messages has, and for one that a few of them have."""
    token, chat, _ = log(bench, LONG)
    events = int(bench.parley.psql("select sum(head_offset) from chat.partition"))
    seconds = bench.once("index", lambda: index_all(bench))
    middle = bench.parley.call(token, "GET", f"/v1/chats/{chat}/events?after={LONG // 2}&limit=1")["items"][0]
    everywhere, rare, _ = middle["body"]["text"].split()
    details = {}
    for name, word, least in (("frequent", everywhere, min(50, LONG)), ("rare", rare, 1), ("nowhere", "nowhere", 0)):
        path = f"/v1/search?q={word}&chat={chat}"
        assert len(bench.parley.call(token, "GET", path)["items"]) >= least, f"{name}: {word}"
        times = sorted(times_ms(bench, SEARCHES, lambda number, path=path: ("GET", path, token, None)))
        details[f"{name}_ms"] = round(statistics.median(times), 2)
        details[f"{name}_p99_ms"] = round(times[len(times) * 99 // 100], 2)
    details["bytes_per_message"] = round(index_bytes(bench) / events)
    details["index_us_per_message"] = round(seconds * 1e6 / events, 1)
    return {"value": max(details["frequent_ms"], details["rare_ms"]), "details": details}


def sync_ms(bench, chats, count):
    """Of a person in so many chats, of which three have so many messages and something new; the others only their beginning."""
    def make():
        person, = bench.parley.people(1)
        made = bench.parley.chats([[person]] * chats)
        for chat in made[:CHANGED]:
            fill(bench, person[1], chat, count)
        has = {chat: one["last_seq"] for chat, one in bench.parley.call(person[1], "POST", "/v1/sync", {"chats": {}, "limit": 1})["chats"].items()}
        body = {"chats": {**has, **{chat: has[chat] - MISSED for chat in made[:CHANGED]}}}
        answer = bench.parley.call(person[1], "POST", "/v1/sync", body)["chats"]
        assert sum(len(one["events"]) for one in answer.values()) == CHANGED * MISSED, answer
        return person[1], json.dumps(body)
    token, body = bench.once(f"sync of {chats}, {count}", make)
    return median_ms(bench, lambda number: ("POST", "/v1/sync", token, body))


def sync_500(bench):
    """Of five hundred chats, the three that changed being long ones, over the same with short ones."""
    long_ms, short_ms = sync_ms(bench, CHATS, BUSY), sync_ms(bench, CHATS, SHORT)
    return {"value": long_ms / short_ms, "details": {"long_ms": round(long_ms, 3), "short_ms": round(short_ms, 3)}}
