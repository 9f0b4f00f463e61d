"""A person's browser: headless Chromium, with what a test does in it, and a memory of everything that went wrong."""

import contextlib
import os
import shutil
import tempfile
import time

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from contract import ROOT
from server import until

SECONDS = 15
PICTURES = f"{os.environ.get('PARLEY_BUILD_DIR', 'build')}/browser"
WIDE, NARROW = (1280, 800), (390, 844)
CHROMIUM_FLAGS = (
    "--headless=new", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-extensions", "--mute-audio",
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",  # there is a mouse
    "--hide-scrollbars", "--force-color-profile=srgb", "--lang=en-GB", "--disable-features=Translate,MediaRouter,OptimizationHints")


def driver_in(profile):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (*CHROMIUM_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.set_capability("unhandledPromptBehavior", "accept")
    service = Service(shutil.which("chromedriver"), log_path=os.devnull)
    return webdriver.Chrome(options=options, service=service)


class Chromium:
    """A running Chromium with a profile of its own. It is used again once everything of the last one is forgotten: starting one
    takes longer than most tests."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="parley-browser-")
        self.driver = driver_in(self.profile)

    def forget(self, url):
        """Whether it is as good as new."""
        try:
            windows = self.driver.window_handles
            for window in windows[1:]:
                self.driver.switch_to.window(window)
                self.driver.close()
            self.driver.switch_to.window(windows[0])
            self.driver.get("about:blank")
            for command, arguments in (
                    ("Storage.clearDataForOrigin", {"origin": url, "storageTypes": "all"}), ("Network.clearBrowserCache", {}),
                    ("Network.clearBrowserCookies", {}), ("Browser.resetPermissions", {}), ("Emulation.setEmulatedMedia", {"features": []})):
                self.driver.execute_cdp_cmd(command, arguments)
            self.driver.get_log("browser")
        except WebDriverException:
            return False
        return True

    def quit(self):
        with contextlib.suppress(WebDriverException):
            self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)


class Browser:
    """A person's use of a Chromium. `faults` are the console's errors and CSP violations; a test adds to `allowed` what it provokes."""

    def __init__(self, chromium, url, size=WIDE):
        self.url = f"{url}/"
        self.chromium = chromium
        self.driver = chromium.driver
        self.allowed = []
        self.faults = []
        self.preferred = {}
        self.cdp("Emulation.setFocusEmulationEnabled", enabled=True)
        self.size(*size)

    def collect(self):
        with contextlib.suppress(WebDriverException):
            for entry in self.driver.get_log("browser"):
                bad = entry["level"] == "SEVERE" or "Content Security Policy" in entry["message"]
                if bad and not any(words in entry["message"] for words in self.allowed):
                    self.faults.append(f"{entry['level']} {entry['message']}")

    # --- the window ---

    def cdp(self, command, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def size(self, width, height):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, **features):
        """prefers-color-scheme and its like, as `prefer(color_scheme="dark")`."""
        self.preferred.update(features)
        self.cdp("Emulation.setEmulatedMedia", features=[
            {"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in self.preferred.items()])

    def open(self, path=""):
        self.driver.get(self.url + path)

    def reload(self):
        self.driver.refresh()

    def picture(self, name):
        os.makedirs(f"{ROOT}/{PICTURES}" if not os.path.isabs(PICTURES) else PICTURES, exist_ok=True)
        path = f"{PICTURES}/{name}.png"
        path = path if os.path.isabs(path) else f"{ROOT}/{path}"
        time.sleep(0.3)  # what moves has come to rest
        self.driver.save_screenshot(path)

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    # --- finding ---

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def shown(self, css, text=None):
        """The first visible element, with this text in it."""
        for element in self.all(css):
            with contextlib.suppress(StaleElementReferenceException):
                if element.is_displayed() and (text is None or text in element.get_property("textContent")):
                    return element
        return None

    def see(self, css, text=None, seconds=SECONDS):
        try:
            return until(lambda: self.shown(css, text), seconds, f"{css} with {text!r}", 0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}; the page: {self.text()[-1500:]}") from None

    def texts(self, css):
        """Of all such elements, at one moment."""
        return self.js("return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)", css)

    def gone(self, css, text=None, seconds=SECONDS):
        until(lambda: self.shown(css, text) is None, seconds, f"no {css} with {text!r}", 0.05)

    def text(self, css="body"):
        return self.js("return document.querySelector(arguments[0])?.innerText ?? ''", css)

    # --- doing ---

    def click(self, css, text=None, seconds=SECONDS):
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.see(css, text, seconds).click()
                return
            except WebDriverException as error:  # something lies over it, or it was drawn anew
                assert time.monotonic() < deadline, f"{css} cannot be clicked: {error.msg}"
                time.sleep(0.1)

    def type(self, css, text, clear=True):
        element = self.see(css)
        if clear:
            element.clear()
        element.send_keys(text)

    def keys(self, *keys):
        """To whatever has the focus."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def chord(self, *keys):
        chain = ActionChains(self.driver)
        for key in keys[:-1]:
            chain.key_down(key)
        chain.send_keys(keys[-1])
        for key in reversed(keys[:-1]):
            chain.key_up(key)
        chain.perform()

    def menu(self, row, label):
        """Chooses from the menu of a message or a chat."""
        ActionChains(self.driver).context_click(row).perform()
        self.click("[role=menuitem]", label)

    def focused(self):
        return self.js("const e = document.activeElement; return e.id || e.getAttribute('aria-label') || e.textContent.trim()")

    # --- the page ---

    def log_in(self, person):
        """Through the door, as a person does."""
        self.open()
        self.enter(person)

    def enter(self, person):
        self.type("#username", person.username)
        self.type("#password", person.password)
        self.click("button", "Log in")
        self.see("#chats-pane")
        self.connected()

    def connected(self, seconds=30):
        until(lambda: self.js("return document.querySelector('#connection').dataset.state") == "online", seconds,
              f"the page is connected: {self.text('#connection')}", 0.05)

    def open_chat(self, title):
        def link():
            for row in self.all("#chats a.chat"):
                with contextlib.suppress(StaleElementReferenceException):
                    if title in row.find_element(By.CSS_SELECTOR, ".chat-title").text:
                        return row
            return None
        until(link, SECONDS, f"a chat called {title!r}: {self.text('#chats')}", 0.05).click()
        self.see("#chat-title", title)
        self.see("#composer-text")

    def say(self, text):
        field = self.see("#composer-text")
        field.send_keys(text.replace("\n", Keys.SHIFT + Keys.ENTER + Keys.NULL), Keys.ENTER)

    def message(self, text, seconds=SECONDS):
        return self.see("#messages li.message", text, seconds)

    def messages(self):
        """The texts of the messages in the document, in their order."""
        return self.js("""return [...document.querySelectorAll('#messages li.message .text')].map((text) => {
            const copy = text.cloneNode(true);
            copy.querySelector('.meta')?.remove();
            return copy.textContent;
        })""")

    def tick(self, text, state, seconds=SECONDS):
        def has():
            row = self.shown("#messages li.message", text)
            return row and row.find_elements(By.CSS_SELECTOR, f".tick.{state}")
        until(has, seconds, f"{text!r} is {state}", 0.05)

    def accessibility_tree(self):
        return self.cdp("Accessibility.getFullAXTree")["nodes"]
