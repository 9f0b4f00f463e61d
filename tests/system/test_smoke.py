"""The path of a message, end to end: the first thing to look at when much fails."""

from live import new_client_id


def test_two_people_talk(world):
    ada, bob = world.persons("ada", "bob")
    chat = ada.direct(bob)
    hers, his = ada.connect(), bob.connect()
    assert his.ready["state"] in ("inbox", "resync")
    stored = hers.send(chat, "Good morning")
    event = his.take_event(type="message")
    assert (event["chat"], event["seq"], event["at"]) == (chat, stored["seq"], stored["at"])
    assert event["body"] == {"text": "Good morning"} and event["sender"] == ada.id
    assert hers.take_event(type="message") == event, "the sender's own device gets it too"
    assert bob.log(chat)["items"][-1] == event, "the log says the same"


def test_a_message_by_rest_reaches_a_device_live_and_one_that_was_away(world):
    ada, bob = world.persons("ada", "bob")
    chat = ada.group(bob, title="brass")
    bob.log_in()
    sent = ada.say(chat, "for later")
    assert bob.connect().take_event(type="message") == sent
    live = bob.log_in().connect()
    sent = ada.post(chat, "for now", client_id=new_client_id()).want(201)
    assert live.take_event(seq=sent["seq"]) == sent


def test_the_page_and_the_documents_are_served(world):
    connection = world.rest
    for target in ("/api/openapi.yaml", "/api/asyncapi.yaml"):
        status, headers, text = connection.exchange("GET", target, None, {})
        assert status == 200 and text.startswith((b"openapi:", b"asyncapi:")) and headers["X-Request-Id"]
