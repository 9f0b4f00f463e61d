"""One Parley for all tests; a world of people for each of them."""

import os

import contract
import pytest
from people import World
from system import Elsewhere, System

SYSTEM = pytest.StashKey()
LAST = ("test_faults", "test_restart", "test_documents")  # what disturbs others, and what looks back, in this order


@pytest.fixture(scope="session")
def system(request):
    url = os.environ.get("PARLEY_TEST_URL")
    one = Elsewhere(url) if url else System()
    request.config.stash[SYSTEM] = one
    try:
        one.start()
        yield one
    finally:
        one.remove()


@pytest.fixture
def expected_errors(request):
    """The words that error lines of this test's daemons may have; a test that breaks something adds to it."""
    request.node.expected_errors = []
    return request.node.expected_errors


@pytest.fixture(autouse=True)
def no_errors_in_logs(request, system):
    """A daemon that logs an error has failed the test that runs, whatever the test saw."""
    system.errors()
    yield
    allowed = getattr(request.node, "expected_errors", [])
    found = [f"{name}: {line}" for name, line in system.errors() if not any(word in line for word in allowed)]
    assert not found, "the daemons logged errors:\n" + "\n".join(found[:20])


@pytest.fixture
def world(system):
    one = World(system)
    yield one
    one.close()


@pytest.fixture
def our_system(system):
    """For tests that kill and read logs."""
    if not system.ours:
        pytest.skip("PARLEY_TEST_URL: what runs there is left alone")
    return system


def place(item):
    name = item.module.__name__
    return LAST.index(name) + 1 if name in LAST else 0


def pytest_collection_modifyitems(config, items):
    items.sort(key=place)
    here = os.path.dirname(os.path.abspath(__file__))
    files = {name for name in os.listdir(here) if name.startswith("test_") and name.endswith(".py")}
    collected = {os.path.basename(str(item.path)) for item in items}
    config.whole_suite = files == collected and not config.getoption("keyword")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    system = item.config.stash.get(SYSTEM, None)
    if report.failed and system is not None:
        report.sections.append(("logs", system.report()))


def pytest_terminal_summary(terminalreporter, config):
    missing = contract.everything() - contract.exercised
    if not getattr(config, "whole_suite", False) and contract.exercised:
        terminalreporter.write_line(f"a part of the suite: {len(missing)} routes and ops were not exercised")
