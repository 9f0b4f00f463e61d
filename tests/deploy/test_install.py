"""The installer installs what lacks and nothing else; without the right to, it says what somebody else must run."""

import os
import re
import subprocess

import pytest
from conftest import as_root
from supervised import NOBODY, ROOT, open_root

SECTIONS = ("run", "build", "replay", "test", "bench", "lint", "fuzz", "analysis")


def install(*arguments, **settings):
    return subprocess.run([f"{ROOT}/deploy/install", *arguments], text=True, capture_output=True, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, **settings})


def test_nothing_lacks_where_the_tests_run():
    answer = install("--dry-run", "run", "build", "test")
    assert (answer.returncode, answer.stdout.strip()) == (0, "")


def test_every_package_has_a_reason_and_every_section_is_known():
    with open(f"{ROOT}/deploy/packages", encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]
    assert [line[1:-1] for line in lines if line.startswith("[")] == list(SECTIONS)
    assert not [line for line in lines if not line.startswith("[") and not re.fullmatch(r"[a-z0-9.+-]+(>=[a-z0-9.+~-]+)? +\S.*", line)]


def test_an_unknown_section_is_refused():
    answer = install("games")
    assert answer.returncode == 64 and "no section 'games'" in answer.stderr


@as_root
def test_without_root_and_sudo_the_exact_command_is_told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bin")
    for path in (folder, folder.parent, folder.parent.parent):
        path.chmod(0o755)
    fake = folder / "dpkg-query"
    fake.write_text("#!/bin/sh\necho installed gcc 12\n")
    fake.chmod(0o755)
    answer = subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", "--clear-groups", f"{open_root()}/deploy/install", "run", "build"], text=True,
        capture_output=True, check=False, stdin=subprocess.DEVNULL,
        env={"PATH": f"{folder}:/usr/bin:/bin"})
    if "sudo" in answer.stderr and answer.returncode == 0:
        pytest.skip("this machine lets nobody use sudo without a password")
    assert answer.returncode == 69
    command = next(line for line in answer.stderr.splitlines() if "apt-get install" in line)
    assert "postgresql-15" in command and "nginx" in command and " gcc" not in command


def test_a_package_that_is_too_old_lacks(tmp_path):
    fake = tmp_path / "dpkg-query"
    fake.write_text("#!/bin/sh\nfor name; do echo installed $name 2.1.12-stable-8; done\n")
    fake.chmod(0o755)
    answer = install("--dry-run", "run", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert answer.stdout.split() == [f"libevent-{part}-2.1-7>=2.1.12-stable-8+deb12u1" for part in ("core", "extra", "pthreads")]
