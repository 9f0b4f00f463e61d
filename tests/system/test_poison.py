"""What one bad row may do: be set aside, with an alarm. Everything behind it goes on."""

import json

import pytest

from server import until


def poison_of(parley):
    return {item["id"]: item for item in json.loads(parley.parleyctl("poison", "list", "--json"))}


@pytest.fixture(autouse=True)
def expected(allowed_errors):
    allowed_errors |= {"event_unreadable", "change_parked"}


def test_a_row_that_is_no_json_is_passed_over_and_its_partition_goes_on(parley, people):
    ann, bob = people("ann", "bob")
    chat, other = ann.group(bob), ann.direct(bob)
    bob.online().drop()
    with parley.stopped("delivery"):
        bad = ann.say(chat, "goes bad")["seq"]
        parley.psql(f"update chat.event set body = '{{' where chat_id = {chat} and seq = {bad}")
        ann.say(chat, "behind it")
        ann.say(other, "elsewhere")
    device = bob.online("inbox")
    got = device.until(lambda event: event["chat"] == chat and event["seq"] == bad + 1)
    assert [event["seq"] for event in got if event["chat"] == chat][-2:] == [bad, bad + 1]
    device.ack()
    assert bob.texts(chat) == ["", "behind it"] and bob.texts(other) == ["elsewhere"]
    found = poison_of(parley)[f"event:{chat}:{bad}"]
    assert found["reason"] == "body is no JSON object"
    until(lambda: parley.readiness("delivery"), 20, "delivery is ready")

    parley.psql(f"""update chat.event set body = '{{"text":"good again"}}' where chat_id = {chat} and seq = {bad}""")
    assert parley.parleyctl("poison", "release", f"event:{chat}:{bad}") == f"released event:{chat}:{bad}\n"
    assert bob.texts(chat) == ["good again", "behind it"]
    assert f"event:{chat}:{bad}" not in poison_of(parley)


def test_a_change_that_the_log_refuses_is_parked_and_other_chats_go_on(parley, people):
    ann, bob, cid = people("ann", "bob", "cid")
    chat, other = ann.group(bob), ann.group(bob)
    parley.psql(f"""with c as (update metadata.chat set version = version + 1 where chat_id = {chat} returning *)
        insert into metadata.outbox (chat_id, version, change_kind, by_id, kind, history, blocked)
        select chat_id, version, 99, {ann.id}, kind, history, blocked from c""")
    until(lambda: f"change:{chat}:2" in poison_of(parley), 20, "the change is parked")
    ann.put(f"/v1/chats/{chat}/members/{cid.id}", {}, 503)
    ann.add(other, cid)

    parley.psql(f"""update metadata.outbox set change_kind = 4, detail = '"title":"mended"' where chat_id = {chat}
        and version = 2""")
    parley.parleyctl("poison", "release", "all")
    until(lambda: cid.id in ann.roles(chat) and any(event.get("user") == cid.id for event in bob.log(chat)), 20,
          "the change, and the one behind it, are in the log")
