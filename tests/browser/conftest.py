"""The fixtures of the browser tests: a real Parley, people with accounts, and browsers that are held to have no errors."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

from contract import Contract  # noqa: E402
from people import World  # noqa: E402
from sdk import Network  # noqa: E402
from server import Logs, Parley  # noqa: E402

from browser import Browser, Chromium, WIDE  # noqa: E402

PARLEY = pytest.StashKey()
# A test that fills a chat of 10,000 messages is not about how fast one device may write.
LIMITS = {"PARLEY_LIMITS_SENDS_PER_SECOND": "100000", "PARLEY_LIMITS_SENDS_BURST": "100000"}
the_contract = Contract()


@pytest.fixture(scope="session")
def running(request):
    parley = Parley()
    parley.environment.update(LIMITS)
    request.config.stash[PARLEY] = parley
    try:
        parley.start()
        parley.logs = Logs(parley)
        yield parley
        status = parley.stop()
        assert status == 0, f"the supervisor ended with {status}\n{parley.tails(10)}"
    finally:
        parley.remove()


@pytest.fixture
def allowed_errors():
    """A test that provokes errors adds the events of the log lines that it expects."""
    return set()


@pytest.fixture
def world(running, allowed_errors):
    the_world = World(the_contract, running.address, running.ops_address)
    yield the_world
    faults = the_world.let_go()
    faults += running.unexpected_ends()
    faults += running.logs.unexpected(allowed_errors)
    assert not faults, "\n".join(faults)


@pytest.fixture
def parley(running):
    """For tests that hurt it."""
    return running


@pytest.fixture
def people(world):
    """Accounts whose display names are their names."""
    def make(*names):
        made = world.people(*[name.lower().split()[0] for name in names])
        for person, name in zip(made, names):
            person.name = name
            person.profile = person.patch("/v1/users/me", {"display_name": name})
        return made
    return make


@pytest.fixture(scope="session")
def idle():
    """Chromiums that nobody uses now."""
    chromiums = []
    yield chromiums
    for chromium in chromiums:
        chromium.quit()


@pytest.fixture
def network(world):
    """A network that can be cut, for `browse(url=network.url)`."""
    between = Network(world.address)
    yield between
    between.end()


@pytest.fixture
def browse(world, request, idle):
    """Makes browsers; what their consoles said fails the test, when it has not failed already."""
    browsers = []

    def make(person=None, size=WIDE, url=None):
        browsers.append(Browser(idle.pop() if idle else Chromium(), url or "http://%s:%d" % world.address, size))
        if person is not None:
            browsers[-1].log_in(person)
        return browsers[-1]

    yield make
    failed = getattr(request.node, "failed", False)
    for number, browser in enumerate(browsers):
        if failed:
            browser.picture(f"failed-{request.node.name}-{number}")
        browser.collect()
        if not failed and browser.chromium.forget(browser.url):
            idle.append(browser.chromium)
        else:
            browser.chromium.quit()
    faults = [fault for browser in browsers for fault in browser.faults]
    assert not faults, "\n".join(faults)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Beside a failure stands what the daemons said last; the browsers leave a picture."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    item.failed = True
    parley = item.config.stash.get(PARLEY, None)
    if parley is not None:
        report.sections.append(("ends of the logs", parley.tails(6)))
