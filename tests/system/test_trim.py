"""The feed of changes of accounts does not grow for ever, and whoever reads it misses nothing."""

import time

import pytest

from people import World
from server import Parley, until

PERIOD_MS = 100


@pytest.fixture
def tidy(world):
    """A Parley of the test's own that looks for old changes all the time."""
    parley = Parley()
    parley.environment["PARLEY_USER_SWEEP_MS"] = str(PERIOD_MS)
    try:
        parley.start()
        yield parley, World(world.contract, parley.address, parley.ops_address)
        assert parley.stop() == 0, parley.tails()
    finally:
        parley.remove()


def kept(parley):
    return int(parley.psql("select count(*) from users.change"))


def let_a_month_pass(parley):
    parley.psql("update users.change set at = now() - interval '31 days'")


def test_old_changes_go_and_later_ones_take_effect_as_before(tidy):
    parley, world = tidy
    ann, bob = world.people("ann", "bob")
    chat, socket = ann.direct(bob), bob.online()
    other = bob.on_another_device()
    assert kept(parley) >= 3
    let_a_month_pass(parley)
    until(lambda: kept(parley) == 0, 10, "old changes are gone")
    parley.kill("metadata")
    ann.patiently("PUT", f"/v1/users/me/blocks/{bob.id}", 204)
    bob.refused("blocked", "POST", f"/v1/chats/{chat}/messages", {"client_id": "b1", "body": {"text": "let me in"}})
    assert kept(parley) == 1
    socket.stays()
    other.delete(f"/v1/users/me/devices/{bob.device}")
    assert socket.closed(2) == 4002
    assert not world.let_go()


def test_a_change_that_metadata_has_not_taken_over_stays_however_old(tidy):
    parley, world = tidy
    ann, bob = world.people("ann", "bob")
    chat = ann.direct(bob)
    let_a_month_pass(parley)
    until(lambda: kept(parley) == 0, 10, "old changes are gone")
    with parley.frozen("metadata"):
        ann.refused("unavailable", "PUT", f"/v1/users/me/blocks/{bob.id}")
        let_a_month_pass(parley)
        time.sleep(10 * PERIOD_MS / 1000)
        assert kept(parley) == 1
    ann.patiently("PUT", f"/v1/users/me/blocks/{bob.id}", 204)
    bob.refused("blocked", "POST", f"/v1/chats/{chat}/messages", {"client_id": "b1", "body": {"text": "let me in"}})
    until(lambda: kept(parley) == 0, 10, "the block is gone from the feed")
