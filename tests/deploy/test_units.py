"""The units of systemd shut the daemons in."""

import glob
import os
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


def test_production_does_not_hash_passwords_weakly(tmp_path):
    """Tests may; where people's passwords are nobody may."""
    tmp_path.chmod(0o750)
    binary = f"{os.environ.get('BUILD_DIR', 'build')}/{os.environ.get('VARIANT', 'release')}/bin/parley-user"
    settings = {"PARLEY_RUN_DIR": str(tmp_path), "PARLEY_ENVIRONMENT": "production", "PARLEY_USER_PASSWORD_MEMORY_KIB": "19455"}
    done = subprocess.run([os.path.join(ROOT, binary)], env={**os.environ, **settings}, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 69 and "give at least 19456" in done.stderr
