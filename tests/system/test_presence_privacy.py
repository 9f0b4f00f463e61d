"""Who does not want to be seen: neither that they are there nor when they were, by nobody."""

import time

import pytest

from test_presence import GRACE, PATIENCE, follow

KEY = "p:{{{}}}:s"


def hide(person, hides=True):
    person.patch("/v1/users/me", {"privacy": {"presence": not hides}})


@pytest.fixture
def pair(people):
    """Two people in a group, and the first one's connection, as (ann, bob, hers)."""
    ann, bob = people("ann", "bob")
    ann.group(bob)
    return ann, bob, ann.online(auto_ack=True)


def test_of_who_hides_there_is_no_frame(pair):
    _, bob, hers = pair
    hide(bob)
    his = bob.online(auto_ack=True)
    assert follow(hers, bob.id)["op"] == "ok"
    assert hers.silent(0.5, op="presence")
    his.close()
    assert hers.silent(GRACE + 1, op="presence")
    bob.online()
    assert hers.silent(0.5, op="presence")


def test_who_hides_while_away_is_not_told_as_away(parley, pair):
    _, bob, hers = pair
    bob.online().close()
    time.sleep(1.5)
    hide(bob)
    time.sleep(1.5)
    assert follow(hers, bob.id)["op"] == "ok"
    assert hers.silent(0.5, op="presence")
    assert parley.redis("GET", KEY.format(bob.id)).split()[1] == b"h"


def test_who_begins_to_hide_is_told_as_away_once_without_a_time(pair):
    _, bob, hers = pair
    his = bob.online(auto_ack=True)
    follow(hers, bob.id)
    hers.expect("presence", online=True)
    hide(bob)
    assert hers.expect("presence", 3) == {"op": "presence", "user": bob.id, "online": False}
    his.close()
    assert hers.silent(GRACE + 1, op="presence")


def test_who_does_not_hide_any_more_is_told_as_they_are(parley, pair):
    _, bob, hers = pair
    hide(bob)
    his = bob.online(auto_ack=True)
    follow(hers, bob.id)
    assert hers.silent(0.5, op="presence")
    hide(bob, False)
    hers.expect("presence", 3, user=bob.id, online=True)
    his.close()
    assert "last_seen" in hers.expect("presence", PATIENCE, online=False)


def test_who_hides_sees_the_others(pair):
    ann, bob, hers = pair
    hide(ann)
    bob.online()
    follow(hers, bob.id)
    hers.expect("presence", user=bob.id, online=True)


def test_another_privacy_setting_changes_nothing_of_it(pair):
    _, bob, hers = pair
    bob.online()
    follow(hers, bob.id)
    hers.expect("presence", online=True)
    bob.patch("/v1/users/me", {"privacy": {"read_receipts": False}})
    assert hers.silent(1, op="presence")
