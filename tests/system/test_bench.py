"""The load generator counts what was sent and what came, and what waited comes when it arrives. (How fast is for `make bench`.)"""

import os
import sys

import pytest

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../bench")

from bench_parley import BenchParley  # noqa: E402
from workloads import Bench  # noqa: E402

RATE, SECONDS = 300, 1


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    parley = BenchParley()
    try:
        parley.start()
        yield Bench(parley, str(tmp_path_factory.mktemp("plans")))
        assert parley.stop() == 0, parley.tails()
    finally:
        parley.remove()


def test_what_is_due_is_sent_answered_and_arrives_once(bench):
    people = bench.parley.people(3)
    chat = bench.parley.chat(*people)
    plan = bench.plan("three", [token for _, token in people], [(0, chat), (1, chat)])
    report, cpu = bench.talk(plan, rate=RATE, warm=0, seconds=SECONDS, receivers=2)
    assert report["sent"] == report["answered"] == RATE * SECONDS
    assert report["arrived"] == 2 * RATE * SECONDS
    assert 0 < report["p50_us"] <= report["p99_us"] <= report["max_us"]
    assert set(cpu) == {"user", "metadata", "chat", "delivery", "postgres", "redis", "load"}


def test_who_was_away_gets_what_waited(bench):
    writer, reader = bench.parley.people(2)
    chat = bench.parley.chat(writer, reader)
    plan = bench.plan("writer", [writer[1]], [(0, chat)])
    bench.run("talk", plan, rate=RATE, warm=0, seconds=SECONDS)
    report = bench.arrive(bench.plan("reader", [reader[1]]))
    assert report["devices"] == 1 and report["drained_max_us"] > report["ready_p50_us"] > 0
