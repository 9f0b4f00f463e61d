"""A Parley to measure: private, on this machine, with its durability on; and accounts and chats made past the password hash.

Accounts come by SQL, since Argon2 would take hours for what storms and idle connections need; chats come by REST."""

import base64
import concurrent.futures
import hashlib
import http.client
import json
import os
import secrets
import signal
import sys
import threading
import time

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../system")

from server import DAEMONS, Parley  # noqa: E402

PARTS = (*DAEMONS, "postgres", "redis")
CLOCK_TICK = os.sysconf("SC_CLK_TCK")
# What bounds one client is not what is measured.
SETTINGS = {
    "PARLEY_LIMITS_SENDS_PER_SECOND": "100000",
    "PARLEY_LIMITS_SENDS_BURST": "100000",
    "PARLEY_LIMITS_SEARCHES_PER_SECOND": "1000",
    "PARLEY_LIMITS_SEARCHES_BURST": "100000",
    "PARLEY_LIMITS_AUTH_DEADLINE_MS": "10000",
    "PARLEY_LIMITS_HEARTBEAT_MS": "30000",
    "PARLEY_LIMITS_MAX_MEMBERS": "1000",
}
# A new Postgres makes each segment of its log when it needs it, and everybody waits 20 ms for that, every 25,000 messages; one that
# has worked for a while uses old ones again. This writes a gigabyte of empty segments, and the checkpoint keeps them for use.
WARM_UP = """do $$ begin
    for i in 1..64 loop
        perform pg_logical_emit_message(false, 'warm up', '');
        perform pg_switch_wal();
    end loop;
end $$"""
MANY = 500  # rows of one statement, which goes in one argument


def as_service(*words):
    """A command as the account of the daemons: Postgres refuses root."""
    return ["setpriv", "--reuid=parley", "--regid=parley", "--init-groups", *words] if os.geteuid() == 0 else list(words)


def postgres_bin():
    return f"/usr/lib/postgresql/{sorted(os.listdir('/usr/lib/postgresql'))[-1]}/bin"


class BenchParley(Parley):
    def __init__(self):
        super().__init__()
        self.environment.update(SETTINGS)

    def warm_up(self):
        self.psql(WARM_UP)
        self.psql("checkpoint")

    ws_path = property(lambda self: f"{self.run_dir}/delivery.ws")

    def people(self, count):
        """So many accounts with one device and one session each; a list of (user id, token)."""
        made = []
        while len(made) < count:
            made += self.some_people(min(MANY, count - len(made)))
        return made

    def some_people(self, count):
        rows = []
        for _ in range(count):
            token = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
            hashed = hashlib.blake2b(token.encode(), digest_size=32).hexdigest()
            user, device, session = (secrets.randbits(62) + 1 for _ in range(3))
            rows.append((user, device, session, hashed, token))
        values = ",".join(f"({user},{device},{session},'\\x{hashed}'::bytea)" for user, device, session, hashed, _ in rows)
        self.psql(f"""
            create temporary table new_people (user_id bigint, device_id bigint, session_id bigint, hash bytea);
            insert into new_people values {values};
            insert into users.account select user_id, 'b' || user_id, 'b', null, 'unusable', 0, null from new_people;
            insert into users.device select device_id, user_id, '', users.leave_change(1, user_id, device_id, 0, 0), 0 from new_people;
            insert into users.session select session_id, user_id, device_id, hash, 0, 4102444800000, null from new_people;
        """)
        return [(user, token) for user, _, _, _, token in rows]

    def call(self, token, method, path, body=None):
        """One REST call; the answer's JSON."""
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status < 300, f"{method} {path}: {answer.status} {text[:300]}"
            return json.loads(text) if text else None
        finally:
            connection.close()

    def chat(self, *people, kind=None):
        """A chat of these, the first its owner: direct for two."""
        kind = kind or ("direct" if len(people) == 2 else "group")
        body = {"kind": kind, "members": [str(user) for user, _ in people[1:]]}
        return self.call(people[0][1], "POST", "/v1/chats", body)["id"]

    def add_strangers(self, chat, count):
        """So many readers without accounts, from the beginning on, past the log: as if they had been in its first change."""
        self.psql(f"""
            create temporary table stranger as select n * 1000003::bigint as id from generate_series(1, {count}) n;
            insert into metadata.member (chat_id, user_id, role, since_version) select {chat}, id, 1, 1 from stranger;
            update metadata.chat set member_count = member_count + {count} where chat_id = {chat};
            insert into chat.member (partition, chat_id, user_id, from_seq, role)
            select c.partition, c.chat_id, s.id, 1, 1 from chat.chat c, stranger s where c.chat_id = {chat};
            analyze chat.member;
        """)
        for name in ("chat", "delivery"):  # they may remember the few that there were
            self.kill(name, signal.SIGTERM)

    def chats(self, groups):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda group: self.chat(*group), groups))


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def family(pid):
    """The process and its children: Postgres works in many."""
    pids = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="utf-8") as file:
                pids += [int(child) for child in file.read().split()]
    except OSError:
        pass
    return pids


class CpuClock:
    """Samples what each part has used, so that the use between two moments can be told afterwards."""

    def __init__(self, parley):
        self.parley, self.samples, self.is_over = parley, [], threading.Event()
        self.pids = {name: parley.pid(name) for name in PARTS}
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_over.wait(0.1):
            self.sample()

    def sample(self):
        used = {}
        for name, pid in self.pids.items():
            used[name] = 0
            for member in family(pid) if name == "postgres" else [pid]:
                try:
                    used[name] += cpu_ticks(member) / CLOCK_TICK
                except OSError:
                    continue
        self.samples.append((time.monotonic() * 1e6, used))

    def used(self, from_us, to_us):
        """Cores that each part kept busy between the two, on average."""
        self.is_over.set()
        self.thread.join()
        first = min(self.samples, key=lambda sample: abs(sample[0] - from_us))
        last = min(self.samples, key=lambda sample: abs(sample[0] - to_us))
        seconds = (last[0] - first[0]) / 1e6
        return {name: round((last[1][name] - first[1][name]) / seconds, 3) for name in PARTS} if seconds > 0 else {}
