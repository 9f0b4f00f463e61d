"""The table of faults. Each says how it is inflicted and proves that it happened; what comes after it (recovery, and
what the judge makes of it all) is not its business.

A fault is a function of a `Shot`; it raises when it could not be inflicted or not be proved. It returns when it is over."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import Callable

import actors
from chaos_parley import DAEMONS, ChaosParley, as_service, cpu_seconds, process_state, resident_kib, until
from failpoints import AT_START, FAILPOINTS
from probe import Probe


@dataclass
class Shot:
    parley: ChaosParley
    probe: Probe
    crowd: actors.Crowd
    chance: object               # a random.Random of this shot
    record: Callable             # record(phase, detail)
    is_short: bool
    number: int                  # of this fault's shots, from 1
    over_at: float = 0.0

    def proven(self, detail):
        self.record("proven", detail)

    def over(self):
        """The cause is gone: recovery is counted from here. Without it, from the return of the fault."""
        self.over_at = time.monotonic()
        self.record("over", "-")


@dataclass(frozen=True)
class Fault:
    name: str
    inflict: Callable
    in_short_form: bool = True
    most_shots: int = 1000       # of one that takes long
    needs: str = ""              # "chaos": a build with failpoints; "disk": a file system of its own


# --- processes end ---

def end(name, how):
    def inflict(shot):
        pid = shot.parley.pid(name)
        os.kill(pid, how)
        shot.over()
        until(lambda: shot.parley.is_gone(pid), 20, f"the end of {name}")
        until(lambda: shot.parley.pid(name) not in (0, pid), 20, f"another {name}")
        shot.proven(f"pid {pid} became {shot.parley.pid(name)}")
    return inflict


def roll(shot):
    """An upgrade: every daemon is stopped in order, one after the other; clients are told goodbye."""
    byes = shot.probe.byes
    for name in ("user", "metadata", "chat", "delivery"):
        shot.parley.kill(name, signal.SIGTERM)
    until(lambda: shot.probe.byes > byes, 5, "a client was told bye")
    shot.proven("four daemons were replaced, a client was told bye")


def all_at_once(shot):
    pids = {name: shot.parley.pid(name) for name in DAEMONS}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    shot.over()
    until(lambda: all(shot.parley.pid(name) not in (0, pid) for name, pid in pids.items()), 20, "all are others")
    shot.proven("four daemons were killed")


def freeze(names, seconds):
    def inflict(shot):
        pids = [shot.parley.pid(name) for name in names]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            until(lambda: all(process_state(pid) == "T" for pid in pids), 2, f"{names} stand still")
            shot.proven(f"pids {pids} stood still")
            time.sleep(seconds)
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
    return inflict


def failpoint(name, daemon):
    def inflict(shot):
        pid = shot.parley.pid(daemon)
        shot.parley.arm(name, 1 if name in AT_START else shot.chance.randint(1, 3))
        if name in AT_START:
            os.kill(pid, signal.SIGKILL)
        try:
            until(lambda: shot.parley.was_hit(name), 25, f"the failpoint {name} is passed", 0.005)
        finally:
            shot.parley.disarm(name)
        shot.over()
        until(lambda: shot.parley.pid(daemon) not in (0, pid), 20, f"another {daemon}")
        shot.proven(f"{daemon} killed itself there")
    return inflict


# --- Postgres ---

def lock_session(shot):
    rows = shot.parley.sql("select pg_terminate_backend(pid) from pg_stat_activity "
                           "where application_name = 'parley-chat/lease'")
    assert rows and rows[0] == ["t"], rows
    shot.proven(f"{len(rows)} session ended")


def commit_cut_off(shot):
    """Postgres ends while commits are held up in it: what was on its way was not stored, and nobody was told."""
    pid = shot.parley.pid("postgres")
    holder = subprocess.Popen(shot.parley.psql_command("begin; lock table chat.partition in exclusive mode; select pg_sleep(10)"),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    try:
        waiting = "select count(*) from pg_stat_activity where application_name = 'parley-chat/append' and wait_event_type = 'Lock'"
        until(lambda: shot.parley.sql(waiting) == [["1"]], 8, "a commit waits")
        time.sleep(0.2)
        os.kill(pid, signal.SIGQUIT)
    finally:
        holder.wait(20)
    shot.over()
    until(lambda: shot.parley.pid("postgres") not in (0, pid), 20, "another Postgres")
    shot.proven("a commit waited for a lock when Postgres ended")


def postgres_away(shot):
    seconds = 30 if shot.number == 1 and not shot.is_short else 3
    with shot.parley.stopped("postgres"):
        shot.proven("it is gone and not started again")
        time.sleep(seconds)
        shot.over()


def disk_full(shot):
    log = shot.parley.log_size("postgres")
    with shot.parley.full_disk():
        until(lambda: "No space left" in shot.parley.log_since("postgres", log), 30, "Postgres meets the full disk", 0.2)
        shot.proven("Postgres said that no space is left")
        time.sleep(2)
        shot.over()


# --- Redis ---

def redis_answers(shot):
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        return shot.parley.redis_lines("PING") == ["PONG"]
    return False


def flush_redis(shot):
    epoch = shot.parley.redis_lines("GET", "p:epoch:0")
    assert shot.parley.redis_lines("FLUSHALL") == ["OK"]
    shot.over()
    until(lambda: shot.parley.redis_lines("GET", "p:epoch:0") not in ([""], epoch), 15, "a new epoch of Redis")
    shot.proven("the data set has another name")


def replace_redis(shot, change):
    """Redis is killed, its file is changed while it is away, and it comes back with that."""
    delivery_log = shot.parley.log_size("delivery")
    with shot.parley.stopped("redis"):
        change(f"{shot.parley.state}/work/redis/appendonlydir")
    shot.over()
    until(lambda: redis_answers(shot), 20, "Redis answers")
    until(lambda: "redis_epoch_ends" in shot.parley.log_since("delivery", delivery_log), 20, "the change is noticed")


def redis_empty(shot):
    replace_redis(shot, shutil.rmtree)
    shot.proven("it came back empty, delivery said so")


def redis_older(shot):
    folder, copy = f"{shot.parley.state}/work/redis/appendonlydir", f"{shot.parley.folder}/older"
    subprocess.run(["cp", "-a", folder, copy], check=True)
    time.sleep(3)   # cursors and inboxes move on

    def put_back(path):
        shutil.rmtree(path)
        shutil.move(copy, path)
    try:
        replace_redis(shot, put_back)
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    shot.proven("it came back in an older state, delivery said so")


# --- the bus ---

def lose_last_batch(shot):
    shot.parley.arm("lose_last_batch")
    until(lambda: shot.parley.was_hit("lose_last_batch"), 10, "a batch is not published", 0.005)
    shot.proven("a committed batch was not published")


def outlast_the_queue(shot):
    """A subscriber stands still for longer than nng keeps messages for it."""
    holes = shot.parley.metric("delivery", "parley_delivery_feed_reads_total") or 0
    pid = shot.parley.pid("delivery")
    rest = shot.crowd.people[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        for i in range(300):   # a commit each, so a publication each
            rest.post(f"/v1/chats/{shot.crowd.chat}/messages", {"client_id": f"o{time.monotonic_ns()}", "body": {"text": f"o{i}"}})
    finally:
        os.kill(pid, signal.SIGCONT)
    shot.over()
    until(lambda: (shot.parley.metric("delivery", "parley_delivery_feed_reads_total") or 0) > holes, 15,
          "delivery reads the feed again")
    shot.proven("300 publications went past it, it read the feed")


def bus_garbage(shot):
    made = actors.garbage_on_the_bus(shot.parley, shot.chance, 1 if shot.is_short else 4)
    assert made > 0
    shot.proven(f"{made} connections spoke garbage")


# --- poison ---

def unreadable_row(shot):
    """A row of the log that nobody can show: it is passed over with an alarm, what stands behind it goes on."""
    sender, chat = shot.crowd.people[0], shot.crowd.chat
    where = "where chat_id = {} and seq = {}"
    before = shot.parley.metric("chat", "parley_chat_unreadable_events_total") or 0
    with shot.parley.stopped("delivery"):
        where = where.format(chat, sender.say(chat, "goes bad", client_id=f"bad {time.monotonic_ns()}")["seq"])
        shot.parley.sql(f"update chat.event set body = '{{' {where}")
    shot.over()
    until(lambda: (shot.parley.metric("chat", "parley_chat_unreadable_events_total") or 0) > before, 15, "the alarm")
    until(lambda: "event:" in shot.parley.parleyctl("poison", "list"), 10, "it is listed")
    shot.parley.sql(f"""update chat.event set body = '{{"text":"good again"}}' {where}""")
    released = shot.parley.parleyctl("poison", "release", "all")
    shot.proven(f"alarm, listed, mended, {released.strip()}")


# --- clients ---

def hot_chat(shot):
    count = 500 if shot.is_short else 3000
    stored = shot.crowd.blast(count)
    assert stored >= count
    shot.proven(f"{stored} messages in one chat")


def stuck_readers(shot):
    count = 6
    blocked = shot.parley.metric("delivery", "parley_delivery_blocked_total") or 0
    before = resident_kib(shot.parley.pid("delivery"))
    with actors.stuck_readers(shot.crowd, count):
        shot.crowd.blast(400, size=8000)
        time.sleep(1)
        grown = resident_kib(shot.parley.pid("delivery")) - before
    assert grown < 64 << 10, f"delivery grew by {grown} KiB"
    now = shot.parley.metric("delivery", "parley_delivery_blocked_total") or 0
    shot.proven(f"sockets took no more {now - blocked:.0f} times, delivery grew by {grown} KiB")


def half_open(shot):
    """Peers that are gone without a word: nothing is read, nothing answered."""
    raws = [shot.crowd.open(shot.crowd.people[i % 4]) for i in range(1, 4)]
    took = [actors.closed_by_server(raw, 15) for raw in raws]
    for raw in raws:
        raw.close()
    assert all(took), f"not noticed: {took}"
    shot.proven(f"noticed after {max(took):.1f} s with a heartbeat of 3 s")


def flapping(shot):
    replaced = actors.flap(shot.crowd, shot.crowd.people[2], 20 if shot.is_short else 60)
    assert replaced > 0
    shot.proven(f"{replaced} connections were replaced by a newer one of the same device")


def storm(shot):
    count = 200 if shot.is_short else 600
    answered, seconds = actors.storm(shot.crowd, count)
    assert answered > count * 0.95, f"only {answered} of {count} were answered"
    shot.proven(f"{answered} of {count} were answered within {seconds:.1f} s")


def broken_frames(shot):
    closed, tried = actors.broken_frames(shot.crowd, shot.chance)
    assert closed == tried, f"{closed} of {tried} were closed"
    shot.proven(f"{closed} connections with broken frames were closed")


def hard_limit_of_files(pid):
    with open(f"/proc/{pid}/limits", encoding="utf-8") as file:
        return next(line.split()[4] for line in file if line.startswith("Max open files"))


def no_descriptors(daemon):
    def inflict(shot):
        pid = shot.parley.pid(daemon)
        hard = hard_limit_of_files(pid)

        def allow(count):
            command = as_service("prlimit", f"--pid={pid}", f"--nofile={count}:{hard}")
            subprocess.run(command, check=True, capture_output=True, cwd="/")
        used = len(os.listdir(f"/proc/{pid}/fd"))
        pauses = shot.parley.metric(daemon, "parley_listener_pauses_total") or 0
        allow(used // 2)   # what is open stays open; nothing new can be, however many connections end meanwhile
        path = f"{shot.parley.run_dir}/{daemon}.{'ws' if daemon == 'delivery' else 'http'}"
        wires = []
        try:
            for _ in range(12):
                wires.append(actors.connect_unix(path))
            before = cpu_seconds(pid)
            time.sleep(2)
            cpu = cpu_seconds(pid) - before
        finally:
            allow(hard)
            for wire in wires:
                wire.close()
        shot.over()
        until(lambda: (shot.parley.metric(daemon, "parley_listener_pauses_total") or 0) > pauses, 10, "accepting paused")
        assert cpu < 1.5, f"{daemon} spun: {cpu:.1f} s of CPU in 2 s"
        shot.proven(f"accepting paused, {cpu:.1f} s of CPU in 2 s")
    return inflict


def full_inbox(shot):
    """Somebody is away while an inbox fills to its bound, and gets all of it; then while it overflows, and is told."""
    person, bound = shot.crowd.people[3], shot.crowd.world.limits()["max_inbox_events"]
    actors.drain(shot.crowd, person, 60)
    stored = shot.crowd.blast(bound - 100)
    seen, resynced = actors.drain(shot.crowd, person, 120)
    assert resynced or seen >= stored, f"{seen} of {stored} events"
    shot.crowd.blast(bound + 100)
    _, told = actors.drain(shot.crowd, person, 120)
    assert told, "an inbox that had overflowed did not say so"
    shot.proven(f"{stored} events while away, {'resync' if resynced else f'{seen} out of the inbox'}; overflowed: resync")


# --- the clock ---

def clock(offset_ms):
    def inflict(shot):
        shot.parley.shift_clock(offset_ms)
        try:
            event = shot.crowd.people[0].say(shot.crowd.chat, "what time is it", client_id=f"clock {time.monotonic_ns()}")
            shot.proven(f"a message at {event['at']}, while it is {time.strftime('%H:%M:%SZ', time.gmtime())}")
            time.sleep(2)
        finally:
            shot.parley.shift_clock(0)
    return inflict


FAULTS = (
    *(Fault(f"kill:{name}", end(name, signal.SIGKILL)) for name in (*DAEMONS, "postgres", "redis", "nginx")),
    Fault("kill:all", all_at_once),
    Fault("postgres:immediate", end("postgres", signal.SIGQUIT)),
    Fault("postgres:lock_session", lock_session),
    Fault("postgres:commit_cut_off", commit_cut_off),
    Fault("postgres:away", postgres_away),
    Fault("postgres:disk_full", disk_full, needs="disk"),
    *(Fault(f"freeze:{name}:1", freeze([name], 1)) for name in (*DAEMONS, "redis")),
    *(Fault(f"freeze:{name}:10", freeze([name], 10), in_short_form=False, most_shots=2) for name in (*DAEMONS, "redis")),
    *(Fault(f"freeze:{'+'.join(names)}:90", freeze(names, 90), in_short_form=False, most_shots=1)
      for names in (["chat"], ["delivery"], ["user", "metadata", "redis"])),
    Fault("stop:roll", roll),
    Fault("redis:flushall", flush_redis),
    Fault("redis:empty", redis_empty),
    Fault("redis:older", redis_older),
    Fault("bus:last_batch_lost", lose_last_batch, needs="chaos"),
    Fault("bus:outlast_the_queue", outlast_the_queue),
    Fault("bus:garbage", bus_garbage),
    Fault("poison:unreadable_row", unreadable_row),
    Fault("client:hot_chat", hot_chat),
    Fault("client:stuck_readers", stuck_readers),
    Fault("client:half_open", half_open, in_short_form=False),
    Fault("client:flapping", flapping),
    Fault("client:storm", storm),
    Fault("client:broken_frames", broken_frames),
    Fault("client:full_inbox", full_inbox, in_short_form=False, most_shots=1),
    *(Fault(f"descriptors:{name}", no_descriptors(name)) for name in ("delivery", "chat")),
    *(Fault(f"clock:{name}", clock(offset_ms), needs="chaos")
      for name, offset_ms in (("forward", 3_600_000), ("back", -3_600_000))),
    *(Fault(f"at:{name}", failpoint(name, daemon), needs="chaos") for name, (daemon, _) in FAILPOINTS.items()),
)
