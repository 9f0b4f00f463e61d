"""Every command in the documents runs. Blocks marked `sh` of one document are one script, run against the Parley under test:
the addresses of `make run` stand for its own, the release for the build under test. `make TARGET` is only looked up here; what it
does has tests of its own."""

import glob
import os
import re
import subprocess

import pytest

from contract import ROOT

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^ {4}(make|curl|deploy/\S+|tests/\S+|build/\S+|node|[A-Z_]+=\S+) ", re.MULTILINE)
BUILT = {"PARLEY_BUILD_DIR": "build", "PARLEY_VARIANT": "release", **os.environ}
PREAMBLE = """
set -euo pipefail
make() { command make --dry-run "$@" >/dev/null; }
"""


def documents():
    found = [f"{ROOT}/README.md"]
    for pattern in ("docs/**/*.md", "deploy/*.md", "services/*/*.md", "shared/*.md", "tests/**/*.md", "web/**/*.md"):
        found += glob.glob(f"{ROOT}/{pattern}", recursive=True)
    return sorted(os.path.relpath(path, ROOT) for path in found)


def text_of(document):
    with open(f"{ROOT}/{document}", encoding="utf-8") as file:
        return file.read()


WITH_COMMANDS = [document for document in documents() if BLOCK.search(text_of(document))]


def test_the_documents_hold_commands():
    assert {"README.md", "docs/operations.md", "docs/tutorial.md"} <= set(WITH_COMMANDS)


@pytest.mark.parametrize("document", documents())
def test_a_command_stands_in_a_block_that_is_run(document):
    """Indented by hand it would never be."""
    assert COMMAND.findall(BLOCK.sub("", text_of(document))) == []


@pytest.mark.parametrize("document", WITH_COMMANDS)
def test_the_commands_of_a_document_run(parley, document, tmp_path):
    script = PREAMBLE + "\n".join(BLOCK.findall(text_of(document)))
    script = script.replace("127.0.0.1:8080", f"127.0.0.1:{parley.port}")
    script = script.replace("127.0.0.1:8081", f"127.0.0.1:{parley.ops_port}")
    script = script.replace("build/release/", "{PARLEY_BUILD_DIR}/{PARLEY_VARIANT}/".format(**BUILT))
    environment = {**parley.environment, "BACKUPS": str(tmp_path)}
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    assert '"status":4' not in done.stdout and '"status":5' not in done.stdout, done.stdout  # a problem document


@pytest.mark.parametrize("form, name", [("html", "example.html"), ("js", "example.js")])
def test_the_page_of_the_tutorial_is_the_example_of_the_sdk(form, name):
    shown = re.search(rf"^```{form}\n(.*?)^```$", text_of("docs/tutorial.md"), re.MULTILINE | re.DOTALL)
    assert shown.group(1) == text_of(f"web/sdk/{name}")
