"""The tests are tested: a bug is planted in a daemon (docs/faults.md), the load runs, and the judge must see it.

That the same runs are valid without a bug is what the short run of `make test` shows."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from bugs import BUGS  # noqa: E402

SIDE_BY_SIDE = 2
SECONDS = 240
SEEDS = (2, 3, 4)


def run_with(bug, folder, seed):
    """A tiny run with the bug in it and the fault that brings it to light; returns its exit status, output and verdicts."""
    faults = BUGS[bug][2]
    command = [f"{HERE}/run", "--form", "tiny", "--bug", bug, "--seed", str(seed), "--folder", str(folder), "--no-isolation"]
    command += ["--only", *(faults or ["none"])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    try:
        with open(f"{folder}/verdict.json", encoding="utf-8") as file:
            verdicts = {one["invariant"]: one["verdict"] for one in json.load(file)["invariants"]}
    except OSError:
        verdicts = {}
    return done, verdicts


def hunt(bug, folder):
    """Until it is caught: some show only when the fault falls into the right moment."""
    for seed in SEEDS:
        done, verdicts = run_with(bug, folder / str(seed), seed)
        if any(verdicts.get(name) == "invalid" for name in BUGS[bug][1]):
            break
    return done, verdicts


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bugs")
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield {bug: pool.submit(hunt, bug, folder / bug) for bug in BUGS}


def test_there_are_at_least_ten():
    assert len(BUGS) >= 10


@pytest.mark.parametrize("bug", BUGS)
def test_the_judge_catches_a_planted_bug(runs, bug):
    done, verdicts = runs[bug].result()
    invalid = {name for name, verdict in verdicts.items() if verdict == "invalid"}
    assert invalid & set(BUGS[bug][1]), f"{bug}: invalid is {invalid or 'nothing'}\n{done.stdout[-3000:]}{done.stderr[-2000:]}"
    assert done.returncode == 1
