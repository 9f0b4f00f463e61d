"""Devices and privacy in the settings."""

from server import until
from test_settings import settings


def log_out(browser):
    settings(browser, "Account")
    browser.click("dialog button", "Log out")
    browser.see("#door")


def name_here(browser):
    settings(browser, "Devices")
    browser.see("dialog .device", "This device")
    name = next(row.text.split("\n")[0] for row in browser.all("dialog .device") if "This device" in row.text)
    browser.keys("\ue00c")
    return name


def test_a_device_keeps_the_name_that_a_person_gave_it(browse, people):
    (ada,) = people("Ada")
    browser = browse(ada)
    assert name_here(browser) == "Chrome on Linux"
    here = next(device for device in ada.get("/v1/users/me/devices")["items"] if not device["current"])
    ada.patch(f"/v1/users/me/devices/{here['id']}", {"name": "The desk"})
    browser.reload()
    browser.connected()
    assert name_here(browser) == "The desk"
    log_out(browser)
    browser.log_in(ada)
    assert name_here(browser) == "The desk"
    assert len(ada.get("/v1/users/me/devices")["items"]) == 2


def test_a_device_that_was_removed_has_a_name_again_after_the_next_login(browse, people):
    (ada,) = people("Ada")
    browser = browse(ada)
    browser.allowed += ["401", "404"]
    here = next(device for device in ada.get("/v1/users/me/devices")["items"] if not device["current"])
    log_out(browser)
    ada.delete(f"/v1/users/me/devices/{here['id']}")
    browser.log_in(ada)
    assert name_here(browser) == "Chrome on Linux"


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
