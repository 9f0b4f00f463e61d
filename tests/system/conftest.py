"""One Parley for all tests. Each test fails for what the contract check, the sockets or the daemons' logs found wrong
while it ran, and the whole run fails when something that the documents promise was never exercised.

    PARLEY_VARIANT=asan       which build is tested
    PARLEY_TEST_URL=http://…  a Parley that runs already (tests that kill something are skipped)
    PARLEY_TEST_OPS_URL=…     its operations address (http://127.0.0.1:8081)"""

import os
import urllib.parse

import pytest

from contract import Contract
from people import World
from server import Logs, Parley

# These kill, and wait: they run after the others, and tests/run has a kind of its own for them.
APART = {"test_faults", "test_sdk"}
STATE, LOGS = pytest.StashKey(), pytest.StashKey()
the_contract = Contract()


def address_of(url):
    parts = urllib.parse.urlsplit(url)
    return parts.hostname, parts.port or 80


@pytest.fixture(scope="session")
def running(request):
    """The Parley under test, None when it is somebody else's."""
    if os.environ.get("PARLEY_TEST_URL"):
        yield None
        return
    parley = Parley()
    logs = Logs(parley)
    request.config.stash[STATE], request.config.stash[LOGS] = parley, logs
    try:
        parley.start()
        yield parley
        status = parley.stop()
        assert status == 0, f"the supervisor ended with {status}\n{parley.tails(10)}"
        last_words = logs.unexpected(set())  # what a sanitizer has to say, it says at the end
        assert not last_words, "\n".join(last_words)
    finally:
        parley.remove()


@pytest.fixture(scope="session")
def logs(request, running):
    return request.config.stash[LOGS] if running else None


@pytest.fixture
def allowed_errors():
    """A test that provokes errors adds the events of the log lines that it expects."""
    return set()


@pytest.fixture
def world(running, logs, allowed_errors):
    if running:
        addresses = running.address, running.ops_address
    else:
        operations = os.environ.get("PARLEY_TEST_OPS_URL", "http://127.0.0.1:8081")
        addresses = address_of(os.environ["PARLEY_TEST_URL"]), address_of(operations)
    the_world = World(the_contract, *addresses)
    yield the_world
    faults = the_world.let_go()
    if running:
        faults += running.unexpected_ends()
        faults += logs.unexpected(allowed_errors)
    assert not faults, "\n".join(faults)


@pytest.fixture
def parley(running, world):
    """For tests that hurt it. The next test finds it whole: a connection to Postgres may need a second more than its test did."""
    if running is None:
        pytest.skip("the Parley under test is somebody else's")
    yield running
    running.await_ready()


@pytest.fixture
def person(world):
    return world.person


@pytest.fixture
def people(world):
    return world.people


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Beside a failure stands what the daemons said last."""
    outcome = yield
    report = outcome.get_result()
    parley = item.config.stash.get(STATE, None)
    if report.failed and parley is not None:
        report.sections.append(("ends of the logs", parley.tails(12)))


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: item.module.__name__ in APART)
    folder = os.path.dirname(os.path.abspath(__file__))
    files = {name[:-3] for name in os.listdir(folder) if name.startswith("test_") and name.endswith(".py")}
    chosen = {item.module.__name__ for item in items}
    narrowed = config.option.keyword or config.option.markexpr or any("::" in word for word in config.args)
    config.is_whole = files - APART <= chosen and not narrowed and not config.option.collectonly


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    """What was never exercised is asked for only when everything ran."""
    session.config.lacking = []
    if getattr(session.config, "is_whole", False) and not session.shouldstop and not session.shouldfail:
        session.config.lacking = the_contract.never_exercised()
    if session.config.lacking and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    if getattr(config, "lacking", []):
        terminalreporter.section("promised by the documents and never exercised")
        for line in config.lacking:
            terminalreporter.line(line)
