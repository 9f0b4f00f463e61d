"""`make demo` in a browser: two panes, two people, and what one writes the other sees."""

import contextlib

import pytest
from selenium.webdriver.common.by import By

from server import Parley, until


def said(parley):
    with open(f"{parley.folder}/output", encoding="utf-8") as file:
        return file.read()


@pytest.fixture
def demonstration():
    parley = Parley()
    parley.environment["PARLEY_DEMONSTRATION"] = "1"
    try:
        parley.start()
        until(lambda: "in your page:" in said(parley), 30, "the demonstration is made", 0.1)
        yield parley
    finally:
        parley.remove()


@contextlib.contextmanager
def pane(browser, number):
    frames = until(lambda: browser.driver.find_elements(By.TAG_NAME, "iframe"), 20, "the panes")
    browser.driver.switch_to.frame(frames[number])
    yield
    browser.driver.switch_to.default_content()


def test_what_one_writes_in_a_pane_the_other_reads_beside_it(demonstration, browse):
    browser = browse(url=f"http://127.0.0.1:{demonstration.port}")
    browser.open("demo.html")
    browser.see("header", "Everybody knows the password")
    with pane(browser, 0):
        browser.message("I pulled the cable myself")
        browser.say("Seen from the left pane.")
    with pane(browser, 1):
        browser.message("Seen from the left pane.")
    browser.picture("demonstration")
