"""Failpoints and planted bugs are where the tests believe them to be, and in no release."""

import os
import re
import subprocess

import pytest
from bugs import BUGS
from failpoints import FAILPOINTS

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("PARLEY_BUILD_DIR", "build"))
DAEMONS = ("user", "metadata", "chat", "delivery")


def table(path, pattern):
    with open(f"{ROOT}/{path}", encoding="utf-8") as file:
        return re.findall(pattern, file.read())


def test_the_failpoints_of_the_code_are_those_of_the_tests():
    rows = dict(table("shared/base/failpoint.h", r'    X\((\w+), "(\w+)", \d+\)'))
    assert rows.pop("lose_last_batch") == "chat"  # a loss, not a kill: faults.py
    assert rows == {name: daemon for name, (daemon, _) in FAILPOINTS.items()}


def test_the_planted_bugs_of_the_code_are_those_of_the_tests():
    assert table("shared/base/planted_bug.h", r"    X\((\w+)\)") == list(BUGS)


def test_every_failpoint_and_every_bug_stands_somewhere_in_the_code():
    code = subprocess.run(["grep", "-rhoE", r"(FAILPOINT|FAILPOINT_IS_DUE|BUG)\([a-z_]+\)", "--include=*.c", "shared", "services"],
                          cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in FAILPOINTS:
        assert re.search(rf"FAILPOINT(_IS_DUE)?\({name}\)", code), name
    for name in BUGS:
        assert f"BUG({name})" in code, name


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_release_has_neither(daemon):
    path = f"{BUILD}/release/bin/parley-{daemon}"
    if not os.path.exists(path):
        pytest.skip("there is no release build beside this one")
    with open(path, "rb") as file:
        binary = file.read()
    traces = ("lose_last_batch", "failpoint_", "planted_bug", "PARLEY_BUG", "clock_offset_ms", *FAILPOINTS, *BUGS)
    found = [name for name in traces if name.encode() in binary]
    assert not found


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_chaos_build_has_both(daemon):
    with open(f"{BUILD}/{os.environ.get('PARLEY_VARIANT', 'chaos')}/bin/parley-{daemon}", "rb") as file:
        binary = file.read()
    planted = any(owner == daemon for owner, *_ in BUGS.values())
    assert b"failpoint_is_due" in binary and (b"PARLEY_BUG" in binary or not planted)
