"""The operator's command: every part of it for real, against the Parley of the tests and one of its own."""

import glob
import json
import os
import pty
import re
import select
import signal
import subprocess
import threading
import time

import pytest

from contract import ROOT
from people import PASSWORD, ROUND_S, World
from server import Parley, until

COMMANDS = {
    "status": [[]], "top": [["--once"]], "users": [["list"]], "erase": [], "token": [], "chats": [["list"]],
    "inboxes": [["list"]], "poison": [["list"]], "trace": [], "backup": [], "restore": [], "completion": [[]],
}
NASTY = ["' or '1'='1", "1; drop schema users cascade", "$(touch {0})", "`touch {0}`", "a[$(touch {0})]", "--x[$(touch {0})]=1",
         "\\! touch {0}", ":'user'", "%s%n", "../../etc/passwd", "-1", "0", "9223372036854775808", "\u202e\x1b[31m", "*", "",
         "99999999999999999999999999999999"]


class Control:
    """deploy/parleyctl with the settings of one Parley."""

    def __init__(self, parley, **more):
        self.environment = {**parley.environment, **more}

    def run(self, *words, stdin="", seconds=60):
        return subprocess.run([f"{ROOT}/deploy/parleyctl", *words], env=self.environment, text=True, timeout=seconds,
                              capture_output=True, input=stdin)

    def want(self, status, *words, **options):
        done = self.run(*words, **options)
        assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        return done

    def text(self, *words, **options):
        return self.want(0, *words, **options).stdout

    def json(self, *words, **options):
        return json.loads(self.text(*words, "--json", **options))

    def refused(self, status, *words, **options):
        """One line on the standard error that says what is wrong, and nothing else."""
        done = self.want(status, *words, **options)
        assert done.stdout == "" and done.stderr.startswith("parley: ") and done.stderr.count("\n") == 1, done
        return done.stderr


@pytest.fixture
def ctl(parley):
    return Control(parley)


@pytest.fixture
def pair(people):
    ann, bob = people("ann", "bob")
    return ann, bob, ann.group(bob, title="Mill")


# --- what holds for all ---

@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(ctl, command):
    text = ctl.text(command, "--help")
    assert text.startswith(f"usage: deploy/parleyctl {command}")
    assert re.search(rf"^  (\S+=\$\()?(source <\()?deploy/parleyctl {command}\b", text, re.MULTILINE), text
    assert ctl.text("--help", command) == text
    with open(f"{ROOT}/docs/operations.md", encoding="utf-8") as file:
        assert f"parleyctl {command}" in file.read(), f"docs/operations.md does not tell of {command}"


def test_a_link_to_it_is_as_good(ctl, tmp_path):
    (tmp_path / "parleyctl").symlink_to(f"{ROOT}/deploy/parleyctl")
    done = subprocess.run([tmp_path / "parleyctl", "users", "list", "--json"], env=ctl.environment, capture_output=True, check=True)
    assert isinstance(json.loads(done.stdout), list)


def test_the_user_that_parley_runs_as_may_call_it(ctl, parley, pair):
    ann, _, chat = pair
    seq = ann.say(chat, "hello")["seq"]
    as_service = ["setpriv", "--reuid=parley", "--regid=parley", "--init-groups"]
    if os.geteuid() != 0 or subprocess.run([*as_service, "test", "-r", f"{ROOT}/deploy/parleyctl"], check=False).returncode != 0:
        pytest.skip("only root can become somebody else, and that one must reach the checkout")
    for words in (["users", "show", ann.id], ["trace", chat, str(seq)], ["inboxes", "list"], ["top"], ["status"],
                  ["backup", f"{parley.run_dir}/by-the-service-user.dump"]):
        done = subprocess.run([*as_service, f"{ROOT}/deploy/parleyctl", *words, "--json"], env=ctl.environment, cwd="/", text=True,
                              capture_output=True, check=False)
        assert done.returncode == 0 and json.loads(done.stdout), (words, done)


def test_the_list_of_commands_is_whole(ctl):
    text = ctl.text("--help")
    assert set(re.findall(r"^  ([a-z]+)", text, re.MULTILINE)) | {"restore"} == set(COMMANDS)
    assert ctl.text("help") == text


@pytest.mark.parametrize("words", [words for command, calls in COMMANDS.items() for words in [[command, *call] for call in calls]
                                   if command != "completion"], ids=" ".join)
def test_what_only_looks_prints_one_json_value(ctl, pair, words):
    ctl.json(*words)


@pytest.mark.parametrize("words", [
    [], ["nonsense"], ["users"], ["users", "nonsense"], ["users", "list", "--nope"], ["users", "list", "a", "b"],
    ["users", "list", "--limit"], ["users", "list", "--limit", "0"], ["users", "list", "--limit=10001"], ["users", "show"],
    ["chats", "show", "x"], ["trace", "1"], ["trace", "1", "0"], ["trace", "x", "1"], ["top", "--interval", "0"],
    ["inboxes", "show", "-"], ["poison", "show", "event:1"], ["token", "make", "ann", "--minutes", "1441"],
    ["status", "now"], ["backup"], ["users_list"], ["status;id"]], ids=" ".join)
def test_wrong_usage_ends_with_64_and_shows_the_way(ctl, words):
    done = ctl.want(64, *words)
    assert done.stdout == "" and ("--help" in done.stderr or "usage:" in done.stderr)


@pytest.mark.parametrize("word", NASTY)
def test_what_is_given_is_never_taken_for_a_command(ctl, pair, tmp_path, word):
    ann, _, chat = pair
    trap = tmp_path / "trap"
    word = word.replace("{0}", str(trap))
    for words in (["users", "list", word], ["users", "show", word], ["users", "sessions", word], ["users", "erase", word, "--yes"],
                  ["users", "end-sessions", word, "--yes"], ["chats", "show", word], ["chats", "list", "--user", word],
                  ["chats", "list", f"--limit={word}"], ["inboxes", "show", word], ["inboxes", "drop", word, "--yes"],
                  ["poison", "show", word], ["poison", "release", word], ["trace", chat, word], ["trace", word, "1"],
                  ["token", "make", word], ["top", "--interval", word], [word], ["users", word]):
        done = ctl.run(*words)
        assert done.returncode in (0, 1, 64), (words, done)
        assert not trap.exists()
    assert ctl.json("users", "show", ann.username)["id"] == ann.id, "everybody is still there"


@pytest.mark.parametrize("words", [
    ["users", "show", "nobody-of-this-name"], ["users", "show", "123"], ["users", "erase", "123", "--yes"],
    ["chats", "show", "123"], ["chats", "list", "--user", "123"], ["trace", "123", "1"], ["inboxes", "show", "123"],
    ["inboxes", "drop", "123", "--yes"], ["poison", "show", "event:123:1"], ["poison", "release", "change:123:1"],
    ["token", "make", "123"], ["restore", "/nonexistent"]], ids=" ".join)
def test_what_is_not_there_ends_with_1(ctl, words):
    ctl.refused(1, *words)


@pytest.mark.parametrize("words", [["users", "list"], ["chats", "list"], ["poison", "list"], ["trace", "1", "1"]], ids=" ".join)
def test_without_postgres_it_ends_with_69_and_says_how_to_mend_it(parley, ctl, allowed_errors, words):
    with parley.stopped("postgres"):
        assert "is it running (deploy/parleyctl status)" in ctl.refused(69, *words)
    parley.await_ready()


def test_without_redis_inboxes_end_with_69_and_the_rest_works(parley, ctl, pair):
    ann, _, chat = pair
    seq = ann.say(chat, "hello")["seq"]
    with parley.stopped("redis"):
        for words in (["inboxes", "list"], ["inboxes", "show", ann.device], ["trace", chat, str(seq)]):
            assert "Redis" in ctl.refused(69, *words)
        assert ctl.json("users", "show", ann.id)["username"] == ann.username
        assert ctl.json("top")["redis"]["up"] is False
    parley.await_ready()


def test_what_the_server_warns_of_is_no_part_of_an_answer(parley, ctl, pair):
    """After an upgrade of the C library Postgres warns at each connection of another version of its collations."""
    ann, bob, _ = pair
    parley.psql("update pg_database set datcollversion = 'another' where datname = 'parley'")
    try:
        shown = ctl.json("users", "show", ann.username)
        ended = ctl.json("users", "end-sessions", bob.username, "--yes")
    finally:
        parley.psql("update pg_database set datcollversion = null where datname = 'parley'")
    assert (shown["id"], ended["ended"]) == (ann.id, 1)


def test_what_follows_two_dashes_is_no_option(ctl, person):
    ann, name = person("ann"), f"--json-{os.urandom(4).hex()}"
    made = ann.post("/v1/users", {"username": name, "password": PASSWORD})
    assert json.loads(ctl.text("users", "show", "--json", "--", name))["id"] == made["id"]
    ctl.refused(64, "users", "show", name)


# --- status and top ---

def test_status_tells_of_each_daemon(ctl, parley):
    assert "delivery" in ctl.text("status")
    found = ctl.json("status")
    assert found["ready"] is True
    assert {service["name"]: service["pid"] for service in found["services"]} == {
        name: parley.pid(name) for name in ("user", "metadata", "chat", "delivery")}
    assert all(service["readiness"]["dependencies"] for service in found["services"])


def test_status_ends_with_3_when_something_lacks(ctl, parley):
    with parley.stopped("metadata"):
        found = json.loads(ctl.want(3, "status", "--json").stdout)
    services = {service["name"]: service for service in found["services"]}
    assert found["ready"] is False and services["metadata"] == {"name": "metadata", "up": False, "pid": None, "readiness": None}
    assert services["chat"]["up"] is True


class Talk(threading.Thread):
    """Says something all the time."""

    def __init__(self, person, chat):
        super().__init__(daemon=True)
        self.person, self.chat, self.ending = person, chat, threading.Event()

    def run(self):
        while not self.ending.is_set():
            self.person.say(self.chat, "again")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join(20)


def test_top_measures(ctl, pair):
    ann, bob, chat = pair
    bob.online(auto_ack=True)
    with Talk(ann, chat):
        found = ctl.json("top", "--interval", "2")
        text = ctl.text("top", "--once")
    messages = found["messages"]
    assert messages["stored_per_second"] > 1 and messages["delivered_per_second"] > 1 and messages["connections"] >= 1
    assert 0 < messages["commit_p50_ms"] <= messages["commit_p99_ms"] < 10000
    assert 1.5 < found["seconds"] < 10
    for service in found["services"]:
        assert service["up"] and service["ready"] and service["memory_mib"] > 1 and service["open_files"] > 5
    assert found["postgres"]["up"] and found["postgres"]["connections"] > 4 and found["postgres"]["transactions_per_second"] > 0
    assert found["redis"]["up"] and found["redis"]["inboxes_up"] and found["redis"]["keys"] > 0
    assert "\033" not in text and re.search(r"stored/s +[1-9]", text)


def test_top_goes_on_when_a_daemon_is_away(ctl, parley):
    with parley.stopped("chat"):
        found = ctl.json("top")
        assert "AWAY" in ctl.text("top", "--once")
    up = {service["name"]: service["up"] for service in found["services"]}
    assert up == {"user": True, "metadata": True, "chat": False, "delivery": True}
    assert found["messages"]["commit_p50_ms"] is None


@pytest.mark.parametrize("end", ["q", "interrupt"])
def test_top_is_a_screen_until_q_or_an_interrupt(ctl, end):
    child, terminal = pty.fork()
    if child == 0:
        os.execve(f"{ROOT}/deploy/parleyctl", ["parleyctl", "top"], ctl.environment)
    shown = b""
    deadline = time.monotonic() + 30
    while shown.count(b"stored/s") < 2:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 65536)
    os.write(terminal, b"q" if end == "q" else b"\x03")
    while True:
        try:
            rest = os.read(terminal, 65536)
        except OSError:
            break
        if not rest:
            break
        shown += rest
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert shown.startswith(b"\033[?1049h") and shown.rstrip().endswith(b"\033[?1049l") and b"\033[?25h" in shown


# --- users, sessions, tokens ---

def test_users_are_listed_by_name_and_shown(ctl, pair):
    ann, bob, chat = pair
    bob.put(f"/v1/users/me/blocks/{ann.id}", want=204)
    assert [user["id"] for user in ctl.json("users", "list", ann.username)] == [ann.id]
    assert len(ctl.json("users", "list", "--limit", "1")) == 1
    for name in (ann.id, ann.username, f"@{ann.username}", ann.username.upper()):
        shown = ctl.json("users", "show", name)
        assert shown["id"] == ann.id and (shown["devices"], shown["sessions"], shown["chats"]) == (1, 1, 1)
    assert (shown["blocks"], shown["blocked_by"]) == (0, 1)
    assert ann.username in ctl.text("users", "list", ann.username) and ann.username in ctl.text("users", "show", ann.id)


def test_a_username_of_digits_is_found_with_an_at(ctl, person):
    ann = person("ann")
    name = str(int.from_bytes(os.urandom(6), "big") + 1000)
    ann.post("/v1/users", {"username": name, "password": PASSWORD})
    assert "@123" in ctl.refused(1, "users", "show", name)
    assert ctl.json("users", "show", f"@{name}")["username"] == name


def test_what_users_have_written_cannot_steer_a_terminal(ctl, person):
    ann = person("ann")
    ann.post("/v1/sessions", {"username": ann.username, "password": PASSWORD, "device": {"name": "a\u001b[2Jb\nc"}})
    ann.patch("/v1/users/me", {"display_name": "\u001b[2J Ann"})
    for words in (["users", "sessions", ann.id], ["users", "show", ann.id], ["users", "list", ann.username]):
        assert "\033" not in ctl.text(*words)
    assert any(device["name"] == "a\u001b[2Jb\nc" for device in ctl.json("users", "sessions", ann.id))


def test_ending_sessions_closes_connections_and_asks_first(ctl, person):
    ann = person("ann")
    live = ann.online()
    assert "--yes" in ctl.refused(1, "users", "end-sessions", ann.username)
    live.stays()
    assert ctl.json("users", "end-sessions", ann.username, "--yes") == {"user": ann.id, "ended": 1}
    assert live.closed(5) == 4002
    until(lambda: ann.call("GET", "/v1/users/me").status == 401, 5, "the token is worth nothing")
    sessions = ctl.json("users", "sessions", ann.id)
    assert [session["session"] for session in sessions] == [None], "the device stays, with its inbox"


@pytest.mark.parametrize("words", [["users", "erase"], ["erase"]], ids=" ".join)
def test_an_erased_account_is_gone_and_its_messages_stay(ctl, pair, words):
    ann, bob, chat = pair
    ann.say(chat, "stays")
    ctl.refused(1, *words, ann.username)
    assert ctl.json(*words, ann.username, "--yes") == {"user": ann.id, "erased": True}
    ctl.refused(1, "users", "show", ann.id)
    until(lambda: ann.id not in bob.roles(chat), 20, "she has left the chat")
    assert bob.texts(chat) == ["stays"]
    bob.refused("unauthorized", "POST", "/v1/sessions", {"username": ann.username, "password": PASSWORD})


def test_erasing_asks_on_a_terminal(ctl, person):
    ann = person("ann")
    for typed, erased in ((b"no\n", False), (ann.username.encode() + b"\n", True)):
        child, terminal = pty.fork()
        if child == 0:
            os.execve(f"{ROOT}/deploy/parleyctl", ["parleyctl", "erase", ann.username], ctl.environment)
        shown = b""
        while b"to go on: " not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, typed)
        try:
            while os.read(terminal, 4096):
                pass
        except OSError:
            pass
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(terminal)
        assert (status == 0) == erased and ctl.run("users", "show", ann.id).returncode == int(erased)


def test_a_token_acts_as_its_user_until_the_next_one(ctl, person):
    ann = person("ann")
    made = ctl.want(0, "token", "make", ann.username)
    token = made.stdout.strip()
    assert ann.want("GET", "/v1/users/me", 200, token=token)["id"] == ann.id
    assert "end-sessions" in made.stderr and token not in made.stderr
    who = ctl.json("token", "who", stdin=f"{token}\n")
    assert (who["user"], who["username"], who["name"]) == (ann.id, ann.username, "parleyctl")
    again = ctl.json("token", "make", ann.id, "--minutes", "1")
    assert again["device"] == who["device"], "no device more"
    until(lambda: ann.call("GET", "/v1/users/me", token=token).status == 401, 5, "the former one has ended")
    ctl.refused(1, "token", "who", stdin=token)
    assert ctl.json("token", "who", stdin=again["token"])["user"] == ann.id


def test_who_is_behind_a_token_is_asked_on_the_standard_input_only(ctl, person):
    ann = person("ann")
    assert ctl.json("token", "who", stdin=ann.token)["user"] == ann.id
    ctl.refused(64, "token", "who", ann.token)
    for text in ("", "x", "A" * 43, "A" * 1000, "' or 1=1 --"):
        ctl.refused(1, "token", "who", stdin=text)


def test_in_production_a_token_must_be_forced(parley, person):
    ann = person("ann")
    ctl = Control(parley, PARLEY_ENVIRONMENT="production")
    assert "--force" in ctl.refused(1, "token", "make", ann.username)
    token = ctl.text("token", "make", ann.username, "--force").strip()
    assert ann.want("GET", "/v1/users/me", 200, token=token)["id"] == ann.id


# --- chats, inboxes, poison ---

def test_chats_are_listed_and_shown_without_a_message(ctl, pair):
    ann, bob, chat = pair
    seq = ann.say(chat, "nobody's business")["seq"]
    bob.put(f"/v1/chats/{chat}/receipts", {"read": seq})
    assert [item["id"] for item in ctl.json("chats", "list", "--user", bob.username)] == [chat]
    shown = ctl.json("chats", "show", chat)
    assert (shown["kind"], shown["title"], shown["last_seq"], shown["changes_waiting"]) == ("group", "Mill", seq, 0)
    assert shown["version"] == shown["version_in_log"]
    members = {member["user"]: (member["role"], member["read"]) for member in shown["members"]}
    assert members == {ann.id: ("owner", None), bob.id: ("member", seq)}
    for words in (["chats", "show", chat], ["chats", "list"], ["trace", chat, str(seq)]):
        text = ctl.text(*words)
        assert chat in text and "business" not in text and "business" not in ctl.text(*words, "--json")


def test_the_longest_inboxes_come_first(ctl, pair):
    ann, bob, chat = pair
    for i in range(120):
        ann.say(chat, f"m{i}")

    def of_pair():
        return {item["device"]: item for item in ctl.json("inboxes", "list", "--limit", "10000") if item["device"] in (
            ann.device, bob.device)}

    until(lambda: [item["events"] for item in of_pair().values()] == [122, 122], 10, "they are parked")
    assert of_pair()[bob.device]["username"] == bob.username
    lengths = [item["events"] for item in ctl.json("inboxes", "list", "--limit", "5")]
    assert lengths == sorted(lengths, reverse=True) and lengths[0] >= 122
    assert bob.username in ctl.text("inboxes", "list", "--limit", "10000")
    shown = ctl.json("inboxes", "show", bob.device, "--limit", "3")
    assert shown == {"device": bob.device, "events": 122, "resync": False,
                     "first": [{"chat": chat, "seq": seq} for seq in (1, 2, 3)]}
    assert "events 122" in ctl.text("inboxes", "show", bob.device)


def test_a_dropped_inbox_is_a_resync_and_nothing_is_lost(ctl, pair):
    ann, bob, chat = pair
    seq = ann.say(chat, "hello")["seq"]
    until(lambda: ctl.run("inboxes", "show", bob.device).returncode == 0, 10, "it is parked")
    ctl.refused(1, "inboxes", "drop", bob.device)
    assert ctl.json("inboxes", "drop", bob.device, "--yes")["dropped"] == seq
    assert ctl.json("inboxes", "show", bob.device)["resync"] is True
    assert next(device for device in ctl.json("trace", chat, str(seq))["devices"] if device["device"] == bob.device)["state"] == "resync"
    live = bob.online("resync")
    later = ann.say(chat, "later")["seq"]
    live.until(lambda event: event["seq"] == later)
    assert bob.texts(chat) == ["hello", "later"]


def test_dropping_the_inbox_of_a_connected_device_is_told_at_once(ctl, pair):
    ann, bob, chat = pair
    live = bob.online()
    seq = ann.say(chat, "hello")["seq"]
    live.until(lambda event: event["seq"] == seq)
    until(lambda: ctl.run("inboxes", "show", bob.device).returncode == 0, 10, "what is not acknowledged is parked")
    ctl.text("inboxes", "drop", bob.device, "--yes")
    live.ack()
    for i in range(3):
        ann.say(chat, f"m{i}")
    live.expect("resync", seconds=15)


# --- trace ---

def test_a_trace_shows_what_is_stored(ctl, parley, pair, person):
    ann, bob, chat = pair
    cid, away = person("cid"), bob.on_another_device()
    ann.add(chat, cid)
    live = bob.online()
    seq = ann.say(chat, "hello")["seq"]
    time.sleep(ROUND_S)
    late = bob.on_another_device()
    live.until(lambda event: event["seq"] == seq)
    live.ack()
    cid.put(f"/v1/chats/{chat}/receipts", {"read": seq})
    ann.remove(chat, cid)

    def states():
        return {device["device"]: (device["state"], device["position"]) for device in ctl.json("trace", chat, str(seq))["devices"]}

    until(lambda: states().get(bob.device) == ("acknowledged", None), 15, f"the cursor has passed it: {states()}")
    found = ctl.json("trace", chat, str(seq))
    where = parley.psql(f"select partition, feed_offset from chat.event where chat_id = {chat} and seq = {seq}").split("|")
    assert [found["partition"], found["offset"]] == [int(number) for number in where]
    assert (found["sender"], found["username"], found["settled"], found["passed_over"]) == (ann.id, ann.username, True, False)
    assert {member["user"]: (member["is_read"], member["to_seq"]) for member in found["members"]} == {
        ann.id: (False, None), bob.id: (False, None), cid.id: (True, seq + 1)}
    assert states()[away.device][0] == "parked" and states()[cid.device][0] == "parked"
    assert states()[late.device] == ("newer", None)
    text = ctl.text("trace", chat, str(seq))
    assert all(word in text for word in (ann.id, bob.device, cid.username, "acknowledged", "newer"))


def test_a_trace_of_many_devices_is_put_together_from_pages(ctl, parley, pair):
    ann, bob, chat = pair
    seq = ann.say(chat, "hello")["seq"]
    parley.psql(f"""insert into users.device (device_id, user_id, name, created_change, created_at_ms, last_used_at_ms)
        select 1000000 + n, {bob.id}, 'many', 0, 0, 0 from generate_series(1, 1200) n""")
    try:
        devices = ctl.json("trace", chat, str(seq))["devices"]
        assert len(devices) == 1202 and all(device["inbox"] is not None for device in devices)
    finally:
        parley.psql("delete from users.device where name = 'many'")


# --- secrets, servers elsewhere, completion ---

class Watch(threading.Thread):
    """Reads every process's arguments and environment, again and again."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen, self.ending = set(), threading.Event()

    def run(self):
        while not self.ending.is_set():
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                try:
                    with open(path, "rb") as file:
                        self.seen.add(file.read())
                except OSError:
                    pass

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join(20)


@pytest.fixture
def elsewhere(parley):
    """The same servers, named as if they were somebody else's, with a user of one's own."""
    parley.psql("create role outsider superuser login password 'lantern-of-tin'")
    yield Control(parley, PARLEY_POSTGRES=f"host={parley.run_dir} port=5432 dbname=parley user=outsider password=lantern-of-tin",
                  PARLEY_REDIS=f"{parley.run_dir}/redis.sock")
    parley.psql("drop owned by outsider cascade; drop role outsider")


def test_servers_elsewhere_are_asked_and_no_secret_is_in_a_list_of_processes(elsewhere, pair):
    ann, bob, chat = pair
    seq = ann.say(chat, "hello")["seq"]
    with Watch() as watch:
        token = elsewhere.text("token", "make", bob.username).strip()
        assert elsewhere.json("token", "who", stdin=token)["user"] == bob.id
        assert elsewhere.json("users", "show", ann.id)["username"] == ann.username
        assert elsewhere.json("trace", chat, str(seq))["seq"] == seq
        assert elsewhere.json("inboxes", "list")
        assert elsewhere.json("top")["postgres"]["up"]
    seen = b"\n".join(watch.seen)
    assert b"parleyctl" in seen and b"psql" in seen, "it did look"
    for secret in (token, ann.token, "lantern-of-tin", PASSWORD):
        assert secret.encode() not in seen


def test_a_wrong_password_of_a_server_elsewhere_is_not_told(parley):
    ctl = Control(parley, PARLEY_POSTGRES=f"host={parley.run_dir} dbname=parley user=nobody password=lantern-of-tin")
    assert "lantern" not in ctl.refused(69, "users", "list")


def test_bash_completes_commands_subcommands_and_options(ctl):
    script = ctl.text("completion")

    def completed(*words):
        line = " ".join(f"'{word}'" for word in words)
        return subprocess.run(["bash", "-c", f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _parleyctl; "
                               "printf '%s\\n' \"${COMPREPLY[@]}\""], text=True, capture_output=True, check=True).stdout.split()

    assert set(completed("parleyctl", "")) == {*COMMANDS, "--help"}
    assert completed("parleyctl", "us") == ["users"]
    assert completed("parleyctl", "users", "e") == ["end-sessions", "erase"]
    assert completed("parleyctl", "users", "list", "--l") == ["--limit"]
    assert completed("parleyctl", "token", "make", "--f") == ["--force"]


# --- backup and restore ---

def test_a_backup_is_private_whole_and_never_overwrites(ctl, pair, tmp_path):
    file = tmp_path / 'of "today".dump'
    made = ctl.json("backup", str(file))
    assert made["file"] == str(file) and made["bytes"] == file.stat().st_size > 1000
    assert file.stat().st_mode & 0o777 == 0o600
    assert "already" in ctl.refused(1, "backup", str(file))
    assert file.stat().st_size == made["bytes"]
    ctl.refused(1, "backup", str(tmp_path / "no" / "such.dump"))
    assert os.listdir(tmp_path) == [file.name], "nothing is left behind"


def test_what_is_no_backup_is_not_restored(ctl, tmp_path):
    whole = tmp_path / "whole"
    ctl.text("backup", str(whole))
    for name, data in (("cut", whole.read_bytes()[:-2000]), ("empty", b""), ("other", b"select 1;\n" * 1000)):
        (tmp_path / name).write_bytes(data)
        assert "no backup that can be read whole" in ctl.refused(1, "restore", str(tmp_path / name))


def test_a_full_database_is_not_restored_into(ctl, pair, tmp_path):
    ann, _, chat = pair
    ctl.text("backup", str(tmp_path / "b"))
    ann.say(chat, "since then")
    assert "not empty" in ctl.refused(1, "restore", str(tmp_path / "b"))
    assert ann.texts(chat) == ["since then"]


def test_a_backup_is_restored_into_an_empty_database_elsewhere(elsewhere, parley, pair, tmp_path):
    ann, _, chat = pair
    ann.say(chat, "kept")
    elsewhere.text("backup", str(tmp_path / "b"))
    parley.psql("create database restored")
    try:
        there = Control(parley, **{**elsewhere.environment, "PARLEY_POSTGRES": elsewhere.environment["PARLEY_POSTGRES"].replace(
            "dbname=parley", "dbname=restored")})
        done = there.json("restore", str(tmp_path / "b"))
        assert done["events"] == int(parley.psql("select count(*) from chat.event")) > 0
        assert parley.psql(f"select body from chat.event where chat_id = {chat} and type = 1", "restored") == '{"text": "kept"}\n'
        assert there.json("users", "show", ann.id)["username"] == ann.username
        there.refused(1, "restore", str(tmp_path / "b"))
    finally:
        parley.psql("drop database restored")


@pytest.fixture
def another(world):
    """A Parley of its own, which may be stopped and emptied."""
    one = Parley()
    worlds = []
    try:
        one.start()
        worlds.append(World(world.contract, one.address, one.ops_address))
        yield one, worlds[0]
    finally:
        for each in worlds:
            each.let_go()
        one.remove()


def test_after_a_restore_everything_of_the_backup_is_there_and_goes_on(another, tmp_path):
    parley, world = another
    ctl = Control(parley)
    ann, bob = world.people("ann", "bob")
    chat = ann.group(bob)
    texts = [f"message {i}" for i in range(30)]
    for text in texts:
        ann.say(chat, text)
    config = parley.psql("select rolname, rolconfig from pg_roles where rolname like 'parley%' order by 1")
    ctl.text("backup", str(tmp_path / "b"))
    # Redis comes to know later offsets and another owner than the backup does.
    for i in range(10):
        ann.say(chat, f"lost {i}")
    parley.kill("delivery")
    until(lambda: ctl.json("inboxes", "show", bob.device)["events"] == 42, 15, "all of it is parked")
    world.let_go()
    assert parley.stop() == 0
    os.rename(f"{parley.state}/postgres", f"{parley.state}/postgres.away")

    done = ctl.json("restore", str(tmp_path / "b"), seconds=120)
    assert (done["users"], done["chats"], done["events"]) == (2, 1, 32)
    ctl.refused(1, "restore", str(tmp_path / "b"), seconds=120)

    parley.start()
    assert parley.psql("select rolname, rolconfig from pg_roles where rolname like 'parley%' order by 1") == config
    assert bob.texts(chat) == ann.texts(chat) == texts
    live, away = bob.online("resync"), ann.device
    for i in range(12):
        seq = bob.say(chat, f"new {i}")["seq"]
        live.until(lambda event, seq=seq: event["seq"] == seq)
        live.ack()
    ann.online("resync").drop()
    later = bob.say(chat, "parked")["seq"]
    until(lambda: next(device["state"] for device in ctl.json("trace", chat, str(later))["devices"] if device["device"] == away)
          == "resync", 10, "what was not heard is said again")
    again = ann.online("resync")
    seq = bob.say(chat, "live again")["seq"]
    again.until(lambda event: event["seq"] == seq)
    again.ack()
    again.stays()
    again.drop()
    parked = bob.say(chat, "and parked again")["seq"]
    until(lambda: ctl.json("inboxes", "show", away)["events"] >= 1, 10, "it is parked")
    ann.online("inbox").until(lambda event: event["seq"] == parked)
