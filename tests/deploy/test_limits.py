"""The table of bounds in docs/limits.md says what the sources say."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
DAEMONS = ("user", "metadata", "chat", "delivery")
BOUND = re.compile(r"max_\w+|password_queue|login_accounts|rpc_concurrency")


def settings():
    """Every numeric setting with its default: of each daemon, of all daemons, and what clients can meet."""
    found = {}
    for name in DAEMONS:
        text = (ROOT / f"services/{name}/{name}_settings.c").read_text(encoding="utf-8")
        found.update({f"{name}.{key}": value for key, value in re.findall(r'NUMBER\(\s*(\w+), "(\d+)"', text)})
    text = (ROOT / "shared/daemon/daemon_options.c").read_text(encoding="utf-8")
    found.update(re.findall(r'NUMBER\(\s*(\w+), "(\d+)"', text))
    text = (ROOT / "shared/daemon/limits.c").read_text(encoding="utf-8")
    found.update({f"limits.{key}": value for key, value in re.findall(r'X\(\s*(\w+), "(\d+)"', text)})
    return found


def rows():
    text = (ROOT / "docs/limits.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([\w.]+)` \| (\d+) \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)


def metrics():
    sources = [path for folder in ("services", "shared") for path in (ROOT / folder).rglob("*.c")]
    return {name for path in sources for name in re.findall(r'"(parley_\w+)"', path.read_text(encoding="utf-8"))}


def test_every_setting_that_bounds_something_is_in_the_table():
    bounds = {name for name in settings() if name.startswith("limits.") or BOUND.fullmatch(name.split(".")[-1])}
    assert len(bounds) > 50
    assert bounds - {name for name, _, _ in rows()} == set()


def test_the_table_names_settings_that_exist_with_their_defaults():
    known = settings()
    assert [(name, value) for name, value, _ in rows() if known.get(name) != value] == []


def test_the_table_names_metrics_that_exist():
    named = {metric for _, _, cell in rows() for metric in re.findall(r"`(\w+)`", cell)}
    assert len(named) > 10
    assert named - metrics() == set()
