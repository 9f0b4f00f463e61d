"""The page as files: whole, without a build, without what a strict page must not do. No browser is needed for this."""

import glob
import json
import os
import re
import struct

from contract import ROOT

WEB = f"{ROOT}/web"
# Not of the page: the worker itself, the SDK's package and example, the demonstration, the reference.
PAGES = ("/", "/api/openapi.yaml", "/api/asyncapi.yaml")  # served from elsewhere
OTHERS = ("sw.js", "index.html", "README.md", "sdk/package.json", "sdk/README.md", "sdk/LICENSE", "sdk/parley.d.ts", "sdk/example.", "demo.", "reference/")


def files():
    return {os.path.relpath(path, WEB) for path in glob.glob(f"{WEB}/**", recursive=True) if os.path.isfile(path)}


def files_of_the_page():
    return {name for name in files() if not name.startswith(OTHERS)}


def text(name):
    with open(f"{WEB}/{name}", encoding="utf-8") as file:
        return file.read()


def test_the_service_worker_keeps_every_file_of_the_page():
    listed = re.search(r"const FILES = \[(.*?)\];", text("sw.js"), re.S).group(1)
    kept = re.findall(r'"([^"]+)"', listed)
    assert len(kept) == len(set(kept))
    assert set(kept) - {"/"} == files_of_the_page()


def test_every_import_and_link_leads_to_a_file():
    for name in files():
        if not name.endswith((".js", ".html")):
            continue
        folder = os.path.dirname(name)
        source = text(name)
        links = re.findall(r'(?:from|import) "(\.[^"]+)"', source) + re.findall(r'(?:src|href)="([^"#:]+)"', source)
        for link in links:
            path = link if link.startswith("/") else f"/{folder}/{link}"
            assert os.path.isfile(os.path.normpath(f"{WEB}{path}")) or path in PAGES, f"{name}: {link}"


def test_nothing_makes_markup_of_text_or_runs_it():
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(\"style|\bstyle=|\bon[a-z]+=\"|<style|<script>")
    for name in files():
        if name.endswith((".js", ".html", ".svg")):
            found = forbidden.findall(text(name))
            assert not found, f"{name}: {found}"


def test_nothing_comes_from_other_hosts():
    for name in files_of_the_page() | {"index.html", "sw.js"}:
        if name.endswith((".js", ".html", ".css", ".webmanifest")) and not name.startswith("sdk/"):
            addresses = [address for address in re.findall(r"https?://[^\s\"'`)]+", text(name)) if not address.startswith("http://www.w3.org/")]
            assert not addresses, f"{name}: {addresses}"
    for name in files():
        if name.endswith(".css"):
            assert "url(" not in text(name) and "@import" not in text(name), name


def test_the_manifest_names_icons_of_their_sizes():
    manifest = json.loads(text("manifest.webmanifest"))
    for icon in manifest["icons"]:
        if icon["type"] == "image/png":
            with open(f"{WEB}/{icon['src']}", "rb") as file:
                width, height = struct.unpack(">II", file.read(24)[16:])
            assert icon["sizes"] == f"{width}x{height}"
    assert manifest["start_url"] == manifest["scope"] == "/" and manifest["display"] == "standalone"


def test_styles_name_logical_sides_only():
    physical = re.compile(r"\b(margin|padding|border)-(left|right|top|bottom)\b|(?<![-\w])(left|right|float: (left|right)|text-align: (left|right))\s*:")
    for name in files_of_the_page():
        if name.endswith(".css"):
            assert not physical.findall(text(name)), f"{name}: {physical.findall(text(name))}"
