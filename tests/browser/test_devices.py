"""Devices and privacy in the settings."""

from server import until
from test_settings import settings


def test_devices_are_named_and_ended(browse, people):
    (ada,) = people("Ada")
    other = ada.on_another_device()
    browser = browse(ada)
    settings(browser, "Devices")
    browser.see("dialog .device", "This device")
    rows = browser.all("dialog .device")
    assert len(rows) == 3
    browser.click("dialog .device button", "Rename")
    browser.type("dialog:last-of-type input[name=name]", "The desk")
    browser.click("dialog:last-of-type button", "Save")
    browser.see("dialog .device", "The desk")
    named = [device["name"] for device in ada.get("/v1/users/me/devices")["items"]]
    assert "The desk" in named
    browser.picture("devices")
    browser.click("dialog .device button", "Remove")
    browser.click("dialog:last-of-type button.danger", "Remove")
    until(lambda: len(browser.all("dialog .device")) == 2, 10, "one device less")
    alive = [person for person in (ada, other) if person.call("GET", "/v1/users/me").status == 200]
    assert len(alive) == 1


def test_read_receipts_can_be_switched_off(browse, people):
    ada, bob = people("Ada", "Bob")
    ada.direct(bob)
    here, there = browse(ada), browse(bob)
    settings(there, "Privacy")
    there.click("dialog label", "Read receipts")
    until(lambda: bob.get("/v1/users/me")["privacy"]["read_receipts"] is False, 10, "it is off")
    there.keys("\ue00c")
    here.open_chat("Bob")
    here.say("do you see this?")
    there.open_chat("Ada")
    there.message("do you see this?")
    there.gone("#chats .badge")
    here.tick("do you see this?", "delivered")
    until(lambda: bob.get("/v1/chats")["items"][0]["unread"] == 0, 10, "Bob has read it")
    here.tick("do you see this?", "delivered")
