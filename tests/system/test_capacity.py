"""The capacity calculator on a made-up results file: the numbers here were worked out by hand. Needs no daemon."""

import json
import os
import subprocess
import sys
from argparse import Namespace

import pytest

BENCH = f"{os.path.dirname(os.path.abspath(__file__))}/../bench"
sys.path.insert(0, BENCH)

import capacity  # noqa: E402

PARTS = ("user", "metadata", "chat", "delivery", "postgres", "redis")


def row(name, median, cpu=(), **details):
    return {"name": name, "median": median, "cpu": dict(zip(PARTS, cpu)), "details": details}


RESULTS = {
    "commit": "0000000", "machine": {"cpu": "made up", "cores": 2, "memory_mib": 16000},
    "workloads": [
        row("one_to_one", 50000, (0.05, 0.05, 0.1, 0.5, 1.0, 0.05)),
        row("latency_10k", 3, (0.02, 0.01, 0.1, 0.2, 0.5, 0.01)),
        row("group_50", 500000, (0, 0, 0, 0.5, 0.3, 0)),  # a delivery takes 1 µs
        row("storm", 10000, (0.1, 0, 0, 0.5, 0.4, 0.2)),  # a connection takes 10, 50, 40 and 20 µs
        row("idle_connection", 1),
        row("footprint", 50, cores=0.01),
    ]}
MODEST = {"users": 864000, "users_online": 100000, "messages_per_user_per_day": 100, "connects_per_user_per_day": 10, "peak_factor": 2,
          "recipients": 3, "offline_share": 0.25, "retention_days": 100, "disk_gb": 10000}


def options(results=RESULTS, preset=None, **given):
    return capacity.options_in_force(Namespace(**{**dict.fromkeys(capacity.OPTIONS), "preset": preset, **given}), results)


def needed(**given):
    return capacity.capacity(capacity.Figures(RESULTS), options(**given)[0])


def run(results, folder, *words):
    path = f"{folder}/results.json"
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file)
    return subprocess.run([f"{BENCH}/capacity.py", "--results", path, *words], capture_output=True, text=True, check=False)


def test_a_modest_load_takes_what_was_worked_out_by_hand():
    need = needed(**MODEST)
    assert (need.messages, need.live, need.parked, need.logins) == pytest.approx((2000, 6000, 2000, 200))
    assert need.cores == pytest.approx({
        "user": 0.004 + 0.002,
        "metadata": 0.002,
        "chat": 0.02,
        "delivery": 0.04 + 0.01 + 0.004 + 0.004,  # messages, connections, two further recipients of each, parking and fetching
        "postgres": 0.1 + 0.008,
        "redis": 0.002 + 0.004 + 0.01})
    assert (need.day_gb, need.disk_gb, need.memory_gb) == pytest.approx((34.56, 3456, 0.5))
    assert need.storm_s == pytest.approx(10)
    assert need.order[0] == "connections of one delivery process" and need.times == pytest.approx(1.2)


@pytest.mark.parametrize("users", [1000, 864000, 12960000])  # the last: 30,000 a second, all that a chat daemon is planned for
def test_twice_the_load_takes_twice_the_cores(users):
    load = {**MODEST, "disk_gb": 1e6}
    one, two = needed(**{**load, "users": users}), needed(**{**load, "users": 2 * users, "users_online": 200000})
    assert two.cores == pytest.approx({part: 2 * cores for part, cores in one.cores.items()})
    assert (two.messages, two.disk_gb, two.memory_gb) == pytest.approx((2 * one.messages, 2 * one.disk_gb, 2 * one.memory_gb))


def test_between_the_two_measured_rates_cores_grow_less_than_the_load():
    busy = needed(**{**MODEST, "users": 12960000, "connects_per_user_per_day": 0, "disk_gb": 1e6})
    assert busy.messages == pytest.approx(30000) and busy.processes["chat"] == 1
    assert busy.cores["postgres"] == pytest.approx(0.75)  # half way from 0.5 at 10,000 to 1.0 at 50,000


@pytest.mark.parametrize("given, part, processes", [
    ({"users_online": 120000}, "delivery", 1),
    ({"users_online": 240001}, "delivery", 3),  # 120,000 each
    ({"users": 25920000, "disk_gb": 1e6}, "chat", 2),  # 60,000 messages/s
    ({"users": 25920000, "disk_gb": 1e6, "connects_per_user_per_day": 100}, "user", 10),  # 60,000 connections/s, 6,000 each
    ({"retention_days": 1000}, "postgres", 6),  # 34,560 GB, 6,000 on each
    ({"users": 12960000, "disk_gb": 1e6, "connects_per_user_per_day": 0, "cores": 1}, "chat", 2),  # 0.75 cores are two Postgres of 0.6
])
def test_processes_follow_the_limit_that_is_reached_first(given, part, processes):
    assert needed(**{**MODEST, **given}).processes[part] == processes


def test_a_chat_daemon_writes_to_one_postgres():
    spread = needed(**{**MODEST, "users": 12960000, "connects_per_user_per_day": 0, "retention_days": 1, "disk_gb": 288})
    assert spread.processes["postgres"] == spread.processes["chat"] == 3
    assert spread.cores["postgres"] == pytest.approx(3 * 0.5)  # 10,000 messages/s each


def test_standbys_are_machines_of_their_own():
    assert needed(**{**MODEST, "retention_days": 1000, "replicas": 2}).machines["postgres"] == 18


def test_reading_the_whole_feed_takes_gateways_and_in_the_end_stops_them():
    load = {**MODEST, "users_online": 240000, "disk_gb": 1e9, "recipients": 1, "offline_share": 0, "connects_per_user_per_day": 0}
    some = needed(**{**load, "users": 64800000})  # 150,000 messages/s: 1.75 cores, of 0.6 - 0.15 in each gateway
    assert some.feed == pytest.approx(0.15) and some.processes["delivery"] == 4 and not some.is_feed_too_much
    assert needed(**{**load, "users": 432000000}).is_feed_too_much


def test_longer_texts_take_more_disk():
    assert needed(**{**MODEST, "text_bytes": 500}).disk_gb == pytest.approx(6912)


def test_bytes_of_a_message_are_taken_from_the_results_unless_they_are_given():
    stored = {**RESULTS, "workloads": [row("history_million", 1, bytes_per_message=321), *RESULTS["workloads"]]}
    values, origins = options(stored)
    assert (values.bytes_per_message, origins["bytes_per_message"]) == (321, "results")
    values, origins = options(stored, bytes_per_message=200)
    assert (values.bytes_per_message, origins["bytes_per_message"]) == (200, "given")
    values, origins = options()
    assert (values.bytes_per_message, origins["bytes_per_message"]) == (400, "default")


def test_what_is_given_goes_before_the_preset():
    values, origins = options(preset="company", users_online=7)
    assert (values.users, origins["users"], values.users_online, origins["users_online"]) == (50000, "preset company", 7, "given")


@pytest.mark.parametrize("name", capacity.NEEDED)
def test_a_missing_workload_is_named_with_the_command_that_measures_it(name, tmp_path):
    without = {**RESULTS, "workloads": [workload for workload in RESULTS["workloads"] if workload["name"] != name]}
    done = run(without, tmp_path)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"capacity: {name} is not in the results: make bench ARGS='--only one_to_one")


def test_no_results_say_what_writes_them(tmp_path):
    done = subprocess.run([f"{BENCH}/capacity.py", "--results", f"{tmp_path}/none"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "`make bench` writes the results" in done.stderr


@pytest.mark.parametrize("preset", capacity.PRESETS)
def test_each_preset_prints_its_tables_and_where_each_option_is_from(preset, tmp_path):
    done = run(RESULTS, tmp_path, "--preset", preset, "--markdown")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n| --- |") == 5
    assert f"| preset {preset} |" in done.stdout and "| --headroom | 0.6 | default |" in done.stdout


def test_options_without_sense_are_refused(tmp_path):
    assert run(RESULTS, tmp_path, "--offline-share", "1").returncode == 2
