"""The load generator counts what was sent and what came, and what waited comes when it arrives. (How fast is for `make bench`.)"""

import json
import os
import re
import subprocess
import sys

import pytest

BENCH = f"{os.path.dirname(os.path.abspath(__file__))}/../bench"
sys.path.insert(0, BENCH)

import growth  # noqa: E402
import results_file  # noqa: E402
import workload_log  # noqa: E402
import workloads  # noqa: E402
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
    bench.run("talk", plan, rate=RATE, warm=0, seconds=SECONDS, settle=1)
    report = bench.arrive(bench.plan("reader", [reader[1]]))
    assert report["devices"] == 1 and report["waited"] >= RATE * SECONDS
    assert report["drained_max_us"] > report["ready_p50_us"] > 0


TINY = {growth: {"WARM_S": 0, "RUN_S": 0.4, "SILENT_RATE": 100, "MEMBERS": 12, "DELIVERIES": 400, "SHORT": 30},
        workloads: {"PAIRS": 3, "CPU_RATE": 200, "IDLE": 20, "SETTLE_S": 0.2, "DRAINERS": 2, "FOLLOWERS": 12,
                    "FOLLOWERS_EACH": 4, "ROUNDS": 1, "MEANWHILE_RATE": 100, "ALONE_S": 0.4, "CHANNEL": 1500, "WATCHERS": 5},
        workload_log: {"PAGES": 5}}
XS = {"latency_by_load": (100, 200), "cost_by_connections": (5, 20), "cost_by_members": (2, 6), "page_by_history": (100, 300),
      "drain_by_inbox": (20,), "sync_by_chats": (4, 8)}


@pytest.fixture
def tiny(monkeypatch):
    for module, values in TINY.items():
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)


def test_every_sweep_gives_its_curves_with_a_point_at_each_x(bench, tiny):
    seen = []
    sweeps = [sweep._replace(xs=XS[sweep.name]) for sweep in growth.ALL]
    curves = growth.measure(bench, sweeps, 2, lambda run, sweep, x, values: seen.append((run, sweep.name, x)))
    assert seen == [(run, sweep.name, x) for run in range(2) for sweep in sweeps for x in sweep.xs]
    assert [curve["name"] for curve in curves] == [curve.name for sweep in sweeps for curve in sweep.curves]
    for sweep in sweeps:
        for made in (curve for curve in curves if curve["name"] in [drawn.name for drawn in sweep.curves]):
            assert made["series"]
            for one in made["series"]:
                assert [point[0] for point in one["points"]] == list(sweep.xs)
                assert all(0 <= least <= median <= most for _, median, least, most in one["points"])


@pytest.fixture
def short(bench, tiny, monkeypatch):
    """Talks that are short; the options of each."""
    whole, seen = bench.talk, []

    def talk(plan, **options):
        seen.append(options)
        return whole(plan, **options, warm=0, seconds=SECONDS)
    monkeypatch.setattr(bench, "talk", talk)
    return seen


def test_a_load_costs_processor_time_and_has_no_target(bench, short):
    result = workloads.cpu_per_message(bench)
    assert result["value"] == pytest.approx(sum(result["details"].values()), abs=0.1) and result["value"] > 0
    without = {workload.name: workload.is_met(1) for workload in workloads.ALL if workload.target is None}
    assert without == dict.fromkeys(["latency_200", "latency_2k", "cpu_per_message", "front_door", "presence_10k", "search_million"])


def test_a_sync_of_long_chats_is_held_against_one_of_short_ones(bench, tiny, monkeypatch):
    for name, value in {"CHATS": 5, "BUSY": 60, "SHORT": 20}.items():
        monkeypatch.setattr(workload_log, name, value)
    result = workload_log.sync_500(bench)
    assert result["value"] == pytest.approx(result["details"]["long_ms"] / result["details"]["short_ms"], rel=0.01)


def test_all_followers_are_told_while_messages_go_on(bench, tiny):
    result = workloads.presence_10k(bench)
    details = result["details"]
    assert 0 < details["half_ms"] <= result["value"] <= details["max_ms"] < details["offline_ms"]
    assert 0 < details["message_p99_us_alone"] and 0 < details["message_p99_us_meanwhile"]


def test_a_search_finds_the_frequent_word_and_the_rare_one(bench, tiny, monkeypatch):
    for name, value in {"LONG": 60, "SEARCHES": 5, "SLICE": 1000}.items():
        monkeypatch.setattr(workload_log, name, value)
    result = workload_log.search_million(bench)
    assert result["value"] == max(result["details"]["frequent_ms"], result["details"]["rare_ms"]) > 0
    assert result["details"]["bytes_per_message"] > 0


def test_a_send_to_a_channel_is_held_against_one_to_a_group(bench, short):
    result = workloads.channel_100k(bench)
    assert [options.get("watch") is not None for options in short] == [False, True]
    assert result["value"] == pytest.approx(result["details"]["channel_us"] / result["details"]["group_us"], rel=0.1)


def test_the_front_door_lets_all_through(bench, short):
    assert workloads.front_door(bench)["value"] > 0
    assert [options["path"] for options in short] == [bench.parley.address]


def test_what_was_not_measured_stays_in_the_results(tmp_path):
    path = str(tmp_path / "results.json")

    def curve(name, commit):
        return {"name": name, "commit": commit}
    results_file.save(path, {"commit": "a", "workloads": ["w"], "ceilings": ["c"]})
    results_file.save(path, {"curves": [curve("one", "a"), curve("two", "a")]})
    results_file.save(path, {"curves": [curve("two", "b")]})
    results_file.save(path, {"commit": "b", "workloads": ["v"]})
    with open(path, encoding="utf-8") as file:
        results = json.load(file)
    assert (results["commit"], results["workloads"], results["ceilings"]) == ("b", ["v"], ["c"])
    assert results["curves"] == [curve("one", "a"), curve("two", "b")]


def plots(folder, curves, **environment):
    with open(f"{folder}/results.json", "w", encoding="utf-8") as file:
        json.dump({"machine": {"cpu": "made up", "cores": 2}, "curves": curves}, file)
    return subprocess.run([f"{BENCH}/plots.py", "--results", f"{folder}/results.json", "--out", f"{folder}/out"], capture_output=True, text=True,
                          check=False, env={**os.environ, **environment})


MADE_UP = {"name": "made_up", "title": "It's a title", "x": "chats", "y": "ms", "log_x": True, "log_y": False, "commit": "0abc123", "runs": 3,
           "series": [{"label": "fast", "points": [[10, 1, 0.5, 2], [100, 2, 1, 3], [1000, 3, 2, 4]]},
                      {"label": "slow", "points": [[10, 4, 4, 4], [1000, 9, 5, 12]]}]}


def test_a_curve_becomes_a_picture_with_all_its_points_and_the_same_bytes_again(tmp_path):
    assert plots(tmp_path, [MADE_UP]).returncode == 0
    first = (tmp_path / "out/made_up.svg").read_text()
    shapes = re.findall(r"<use xlink:href='#(gpPt\d+)' transform='translate[^>]*color='rgb", first)
    assert sorted(shapes.count(shape) for shape in set(shapes)) == [2 + 1, 3 + 1]  # of two shapes; each also in the key
    assert not re.search(r"[ \t]$", first, re.MULTILINE)
    for text in ("It's a title", "chats", "ms", "fast", "slow", "commit 0abc123", "2 cores", "1,000"):
        assert text in first, text
    assert plots(tmp_path, [MADE_UP]).returncode == 0
    assert (tmp_path / "out/made_up.svg").read_text() == first


def test_plots_say_what_lacks(tmp_path):
    without = plots(tmp_path, [MADE_UP], PATH="/nowhere")
    assert without.returncode == 1 and "gnuplot-nox" in without.stderr
    empty = plots(tmp_path, [])
    assert empty.returncode == 1 and "make bench-growth" in empty.stderr
