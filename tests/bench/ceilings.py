"""What this machine could do if nothing but one part of the work had to be done: the ceilings that a result is a share of."""

import json
import os
import re
import subprocess

from bench_parley import as_service, postgres_bin

ROWS, SECONDS = 256, 3
# The rows of chat.event and its indexes, made by the server itself: no network, no fence, no statement but this.
TABLE = """
    create schema if not exists ceiling;
    create table if not exists ceiling.event (like chat.event including all);
    truncate ceiling.event;
    create sequence if not exists ceiling.batch"""
INSERT = f"""insert into ceiling.event (partition, chat_id, seq, feed_offset, type, sender_id, at_ms, client_id, body)
    select k % 64, 4611686018427387904 + k * 7919, batch, batch * {ROWS} + k, 1, 4611686018427387904 + k * 104729, 1764000000000 + batch,
           k || '-' || batch, '{{"text":"' || repeat('x', 100) || '"}}'
    from (select nextval('ceiling.batch') as batch offset 0) b cross join generate_series(1, {ROWS}) k
"""


class Ceiling:
    def __init__(self, name, unit, measure):
        self.name, self.unit, self.measure = name, unit, measure


def inserted_rows(bench, connections):
    """Rows a second that Postgres makes durable, a transaction of 256 after the other on each connection."""
    script = f"{bench.folder}/insert.sql"
    with open(script, "w", encoding="utf-8") as file:
        file.write(INSERT)
    bench.parley.psql(TABLE)
    done = subprocess.run(as_service(f"{postgres_bin()}/pgbench", "-n", "-M", "prepared", "-c", str(connections), "-j", "1", "-T", str(SECONDS), "-f", script,
                                     "-h", bench.parley.run_dir, "-U", "parley_admin", "parley"),
                          capture_output=True, text=True, check=True, cwd="/", timeout=60)
    return float(re.search(r"tps = ([\d.]+)", done.stdout).group(1)) * ROWS


def fdatasyncs(bench):
    """Of 8 kB, one after the other, on the disk that Postgres writes to."""
    path = f"{bench.parley.state}/postgres/fsync.test"
    try:
        done = subprocess.run(as_service(f"{postgres_bin()}/pg_test_fsync", "-s", "1", "-f", path), capture_output=True, text=True,
                              check=True, cwd="/", timeout=60)
    finally:
        if os.path.exists(path):
            os.unlink(path)
    return float(re.search(r"fdatasync\s+([\d.]+) ops/sec", done.stdout).group(1))


def echoes(bench):
    done = subprocess.run([bench.program, "--mode", "echo", "--seconds", str(SECONDS), "--bytes", "250"], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)["round_trips_per_s"]


ALL = [
    Ceiling("socket_echo", "messages/s", echoes),
    Ceiling("fdatasync", "a second", fdatasyncs),
    Ceiling("postgres_insert_1x256", "rows/s", lambda bench: inserted_rows(bench, 1)),
    Ceiling("postgres_insert_2x256", "rows/s", lambda bench: inserted_rows(bench, 2)),
]
# Which ceiling a workload's median is a share of.
OF = {"one_to_one": "postgres_insert_1x256", "group_50": "socket_echo"}
