"""The units of systemd shut the daemons in."""

import glob
import re
import shutil
import subprocess

import pytest
from supervised import ROOT

UNITS = sorted(glob.glob(f"{ROOT}/deploy/systemd/*.service"))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
@pytest.mark.parametrize("unit", UNITS)
def test_the_exposure_of_a_unit_is_3_or_lower(unit):
    answer = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit], text=True,
                            capture_output=True, check=False)
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", answer.stdout)
    assert exposure and float(exposure.group(1)) <= 3.0, answer.stdout[-400:] + answer.stderr


def test_there_are_units():
    assert UNITS
