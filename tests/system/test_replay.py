"""Chat logs through a whole Parley of their own: what every member received is held against what was sent while they
belonged, by the replay itself (tests/replay); here stands under which circumstances that must be so."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = ROOT / "tests" / "replay" / "small.log"
REAL = ROOT.parent / "shared" / "data" / "ubuntu-irc" / "2004-12-25.txt"
NOTHING_WRONG = {"lost": 0, "duplicated": 0, "out_of_order": 0, "leaked": 0, "altered": 0}
DEADLINE_S = 240


def replay(log, **settings):
    """Replays the log; answers the numbers of the summary line and everything that was said."""
    environment = {**os.environ, **settings}
    done = subprocess.run([ROOT / "tests" / "replay" / "run", log], env=environment, cwd=ROOT, timeout=DEADLINE_S,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    summaries = re.findall(r"^replay: accounts=.*$", done.stdout, re.MULTILINE)
    assert summaries, f"no summary line:\n{done.stdout[-4000:]}"
    numbers = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", summaries[-1])}
    assert done.returncode == 0, done.stdout[-4000:]
    return numbers, done.stdout


def assert_whole(numbers, messages):
    assert {name: numbers[name] for name in NOTHING_WRONG} == NOTHING_WRONG
    assert numbers["messages"] == messages
    assert numbers["deliveries"] > numbers["messages"]


def messages_in(log):
    return sum(1 for line in log.read_text(encoding="utf-8").splitlines()
               if re.match(r"\[\d\d:\d\d\](?: <[^ >]+>|  \* \S+) ?.", line))


def test_a_small_log_arrives_whole_at_every_member():
    numbers, _ = replay(SMALL)
    assert_whole(numbers, messages_in(SMALL))


@pytest.mark.parametrize("faults", [
    "kill:user kill:metadata kill:chat kill:delivery",
    "flush:redis kill:redis kill:delivery",
    "kill:postgres kill:chat",
    "term:delivery term:chat term:metadata term:user",
])
def test_a_log_arrives_whole_while_parts_of_parley_die(faults):
    numbers, said = replay(SMALL, REPLAY_FAULTS=faults, REPLAY_FAULT_EVERY="1.5", REPLAY_SECONDS="9")
    assert_whole(numbers, messages_in(SMALL))
    for fault in faults.split():
        assert f"replay: fault {fault} at" in said, f"{fault} did not happen"


@pytest.mark.skipif(not REAL.exists(), reason="the real logs are not beside the checkout")
def test_a_real_log_arrives_whole_at_every_member():
    numbers, _ = replay(REAL)
    assert_whole(numbers, messages_in(REAL))
