"""What operators look at: health, readiness, metrics; on the operations address and nowhere else."""

import http.client
import re

import pytest

from rest import Answer

DAEMONS = ("user", "metadata", "chat", "delivery")
SAMPLE = re.compile(r"^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^}]*\})? (-?[0-9.e+-]+|[+-]Inf|NaN)$")


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_daemon_says_that_it_lives_and_with_whom_it_can_serve(world, daemon):
    assert world.operations.get(f"/{daemon}/healthz") == {"status": "ok"}
    readiness = world.operations.get(f"/{daemon}/readyz")
    assert readiness["ready"] and set(readiness["dependencies"].values()) == {"ok"}
    assert "postgres" in readiness["dependencies"]


@pytest.mark.parametrize("daemon", DAEMONS)
def test_metrics_are_in_the_text_format_of_prometheus(world, daemon):
    text = world.operations.get(f"/{daemon}/metrics")
    samples = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(samples) > 10
    assert [line for line in samples if not SAMPLE.match(line)] == []
    names = {re.split(r"[{ ]", line)[0] for line in samples}
    typed = set(re.findall(r"^# TYPE (\S+) (?:counter|gauge|histogram|summary)$", text, re.MULTILINE))
    assert {name for name in names if name not in typed and re.sub(r"_(bucket|sum|count)$", "", name) not in typed} == set()
    assert all(name.startswith(("parley_", "process_")) for name in names), names


def test_metrics_count_what_happens(world, person):
    def requests():
        text = world.operations.get("/user/metrics")
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if re.match(r"parley_[a-z_]*requests[a-z_]*(_total|_count)\b", line))

    before = requests()
    ann = person()
    for _ in range(5):
        ann.get("/v1/users/me")
    assert requests() >= before + 5


@pytest.mark.parametrize("page", ["healthz", "readyz", "metrics"])
def test_the_public_address_knows_nothing_of_it(world, person, page):
    ann = person()
    for path in [f"/{daemon}/{page}" for daemon in DAEMONS]:
        wanted = world.contract.unrouted[404]
        answer = fetch(world, path)
        assert answer.status == 404
        world.contract.check_against(wanted, path, answer)
    ann.refused("not_found", "GET", f"/v1/{page}")


def test_the_operations_address_serves_nothing_else(world):
    for path in ("/v1/users/me", "/v1/limits", "/", "/user", "/user/", "/user/healthz/x", "/nobody/healthz"):
        assert fetch(world, path, operations=True).status == 404


def fetch(world, path, operations=False):
    """Past the check of the documents, which list these paths for one of the two addresses only."""
    connection = http.client.HTTPConnection(*(world.operations if operations else world.anyone).address, timeout=10)
    try:
        connection.request("GET", path)
        return Answer(connection.getresponse())
    finally:
        connection.close()
