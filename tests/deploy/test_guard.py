"""The guard against loss of speed judges by counts alone; its pieces do what they say. (The comparison is `make guard`.)"""

import os
import subprocess
import sys

import pytest
from supervised import ROOT

sys.path.insert(0, f"{ROOT}/tests/bench/guard")

from judge import accepted_pieces, judge  # noqa: E402

PROGRAM = os.path.join(ROOT, os.environ.get("PARLEY_BUILD_DIR", "build"), os.environ.get("PARLEY_VARIANT", "release"), "bin/parley-guard")
PIECES = ("frame", "send", "request", "append", "render", "fan_out")


@pytest.mark.parametrize("now, is_lost", [(1110, True), (1101, True), (1100, False), (1090, False), (1000, False), (500, False)])
def test_over_ten_per_cent_more_is_a_loss(now, is_lost):
    row, = judge({"frame": 1000}, {"frame": now}, {})
    assert row.is_lost == is_lost and bool(row.note) == is_lost


def test_a_piece_that_only_one_commit_has_is_named_and_passes():
    new, gone = judge({"old": 1000}, {"new": 9000}, {})
    assert not new.is_lost and new.piece == "new" and "the base has no such piece" in new.note
    assert not gone.is_lost and gone.piece == "old" and "any more" in gone.note


def test_an_accepted_loss_passes_and_covers_no_other_piece():
    accepted = accepted_pieces("# why\n\nabc1234 frame UTF-8 is checked now\n", "# why\n")
    frame, send = judge({"frame": 1000, "send": 1000}, {"frame": 1500, "send": 1500}, accepted)
    assert not frame.is_lost and frame.note == "accepted: UTF-8 is checked now"
    assert send.is_lost


def test_what_the_base_has_accepted_already_excuses_nothing_new():
    line = "abc1234 frame UTF-8 is checked now\n"
    assert accepted_pieces(line, line) == {}
    assert accepted_pieces(line + "def5678 frame twice\n", line) == {"frame": "twice"}
    assert accepted_pieces("abc1234 frame\n", "") == {}  # without a reason


def test_every_line_that_is_accepted_names_a_piece_and_a_reason():
    with open(f"{ROOT}/tests/bench/guard/accepted", encoding="utf-8") as file:
        lines = [line for line in file.read().splitlines() if line and not line.startswith("#")]
    assert all(accepted_pieces(line, "").keys() <= set(PIECES) and accepted_pieces(line, "") for line in lines)


@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_does_its_work(piece):
    if not os.path.exists(PROGRAM):
        pytest.skip("parley-guard is not built")
    answer = subprocess.run([PROGRAM, piece, "3"], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
