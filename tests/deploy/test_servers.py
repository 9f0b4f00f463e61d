"""The private Postgres, Redis and front door: made at the first start, unharmed by any kill, closed to everybody else."""

import contextlib
import os
import re
import shutil
import signal
import stat
import time
import urllib.request

import pytest
from conftest import as_root
from supervised import ROOT, SERVERS, alive, rows_of_the_table, until

TABLE = rows_of_the_table(*SERVERS)


def everything_answers(one):
    return one.deploy("supervisor", "status").returncode == 0


@pytest.mark.parametrize("name", ["postgres", "redis", "nginx"])
def test_a_killed_server_is_back_and_answers(servers, name):
    servers.back(name, servers.kill(name))
    until(lambda: everything_answers(servers), 10, "all answer again")


def test_workers_of_a_killed_front_door_do_not_keep_its_port(servers):
    for _ in range(3):
        former = servers.kill("nginx")
        servers.back("nginx", former)
        until(lambda: everything_answers(servers), 10, "all answer again")
    time.sleep(0.2)
    assert len([pid for pid in servers.ours() if os.path.realpath(f"/proc/{pid}/cwd").endswith("work/nginx")]) > 1
    assert "Address already in use" not in servers.log("nginx")


def test_nothing_survives_a_kill_of_the_supervisor_and_the_next_start_recovers(make):
    one = make(TABLE).start()
    one.process.kill()
    one.process.wait()
    until(lambda: not one.ours(), 5, "all are gone")
    one.start()
    assert everything_answers(one)


def test_everything_killed_at_once_starts_again(make):
    one = make(TABLE).start()
    one.process.kill()
    for pid in one.ours():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    one.process.wait()
    one.start()
    assert everything_answers(one)


def test_a_pid_file_of_postgres_that_names_a_stranger_is_no_obstacle(make):
    one = make(TABLE).start()
    one.process.kill()
    one.process.wait()
    until(lambda: not one.ours(), 5, "all are gone")
    path = f"{one.state}/postgres/data/postmaster.pid"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"1\n{one.state}/postgres/data\n")
    one.start()
    assert everything_answers(one)


def test_a_damaged_file_of_redis_is_put_aside(make):
    one = make(TABLE).start()
    one.stop()
    folder = f"{one.state}/work/redis/appendonlydir"
    for name in os.listdir(folder):
        with open(f"{folder}/{name}", "wb") as file:
            file.write(b"not what Redis wrote")
    one.start()
    assert everything_answers(one)
    assert "put aside" in one.text()


def test_a_start_that_was_interrupted_while_making_the_cluster_is_repeated(make):
    one = make(TABLE)
    os.makedirs(f"{one.state}/postgres/new")
    with open(f"{one.state}/postgres/new/PG_VERSION", "w", encoding="utf-8") as file:
        file.write("15\n")
    if os.geteuid() == 0:
        for path in (f"{one.state}/postgres", f"{one.state}/postgres/new", f"{one.state}/postgres/new/PG_VERSION"):
            shutil.chown(path, "parley")
    one.start()
    assert everything_answers(one)


def test_secrets_are_readable_by_the_service_user_only(servers):
    folder = f"{servers.state}/secrets"
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    for name in ("user", "metadata", "chat", "delivery"):
        status = os.stat(f"{folder}/postgres-{name}")
        assert stat.S_IMODE(status.st_mode) == 0o600 and status.st_size == 64


def test_folders_and_sockets_are_closed_to_others(servers):
    assert stat.S_IMODE(os.stat(servers.run_dir).st_mode) == 0o750
    assert stat.S_IMODE(os.stat(servers.state).st_mode) == 0o750
    assert stat.S_IMODE(os.stat(f"{servers.run_dir}/redis.sock").st_mode) == 0o700


def test_no_secret_stands_in_a_log_a_configuration_or_a_process_list(servers):
    secrets = []
    for name in ("user", "metadata", "chat", "delivery"):
        with open(f"{servers.state}/secrets/postgres-{name}", encoding="utf-8") as file:
            secrets.append(file.read())
    texts = [servers.text()]
    for folder in ("log", "conf"):
        for name in os.listdir(f"{servers.state}/{folder}"):
            with open(f"{servers.state}/{folder}/{name}", encoding="utf-8", errors="replace") as file:
                texts.append(file.read())
    for pid in servers.ours():
        for part in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{part}", encoding="utf-8", errors="replace") as file:
                texts.append(file.read())
    assert not [secret for secret in secrets for text in texts if secret in text]


def test_a_role_needs_its_own_password(servers):
    assert servers.psql("SELECT current_user", role="chat").stdout == "parley_chat\n"
    assert "permission denied" in servers.psql("SET ROLE parley_user", role="chat").stderr
    kept_as = servers.psql("SELECT DISTINCT left(rolpassword, 14) FROM pg_authid WHERE rolname LIKE 'parley_%' AND rolcanlogin AND NOT rolsuper")
    assert kept_as.stdout == "SCRAM-SHA-256$\n"
    path = f"{servers.state}/secrets/postgres-chat"
    with open(path, encoding="utf-8") as file:
        kept = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write("0" * 64)
    try:
        assert "password authentication failed" in servers.psql("SELECT 1", role="chat").stderr
    finally:
        with open(path, "w", encoding="utf-8") as file:
            file.write(kept)


def test_postgres_listens_on_no_network_address(servers):
    assert servers.psql("SHOW listen_addresses").stdout == "\n"
    assert servers.psql("SHOW fsync; SHOW synchronous_commit; SHOW data_checksums").stdout.split() == ["on", "on", "on"]


def test_the_log_of_postgres_holds_no_values(servers):
    servers.psql("CREATE TABLE IF NOT EXISTS public.canary (word text PRIMARY KEY)")
    for _ in range(2):
        servers.psql("INSERT INTO public.canary VALUES ('canary-4711')")
    servers.psql("DROP TABLE public.canary")
    assert "duplicate key" in servers.log("postgres")
    assert "canary-4711" not in servers.log("postgres")


def test_it_all_works_twice_from_a_long_path_with_spaces(make):
    name = "a long path with spaces/" + "/".join(["and so deep that no socket would fit in it"] * 3) + "/state"
    one = make(TABLE, state_name=name).start()
    one.stop()
    one.start()
    assert everything_answers(one)
    assert one.stop() == 0


@as_root
def test_it_all_works_twice_as_a_plain_user(make):
    one = make(TABLE, user="nobody")
    for _ in range(2):
        one.start()
        assert everything_answers(one)
        assert {os.stat(f"/proc/{pid}").st_uid for pid in one.ours()} == {65534}
        assert one.stop() == 0


@as_root
def test_started_by_root_nothing_runs_as_root(servers):
    assert 0 not in {os.stat(f"/proc/{pid}").st_uid for pid in servers.ours()}


@as_root
def test_a_checkout_that_the_service_user_cannot_enter_is_served_from_a_copy(make):
    one = make('user none always TERM 5 KILL "$BIN_DIR/parley-user"\n' + rows_of_the_table("nginx"))
    checkout = f"{one.folder}/closed/check out"
    for folder in ("build/release/bin", "web", "api", "docs/errors"):
        os.makedirs(f"{checkout}/{folder}")
    os.chmod(f"{one.folder}/closed", 0o700)
    shutil.copytree(f"{ROOT}/deploy", f"{checkout}/deploy")
    with open(f"{checkout}/web/index.html", "w", encoding="utf-8") as file:
        file.write("the page")
    with open(f"{checkout}/build/release/bin/parley-user", "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\necho from $0\nexec sleep 1000\n")
    os.chmod(f"{checkout}/build/release/bin/parley-user", 0o700)
    del one.environment["PARLEY_STATE_DIR"]
    try:
        for _ in range(2):
            one.start(ready="Ctrl-C stops everything", program=f"{checkout}/deploy/supervisor")
            one.state = re.search(r"logs: (/var/lib/parley/\w+)/log", one.text()).group(1)
            with urllib.request.urlopen(f"http://127.0.0.1:{one.port}/") as answer:
                assert answer.read() == b"the page"
            assert f"from {one.state}/stage/BIN_DIR/parley-user" in one.log("user")
            assert one.stop() == 0
    finally:
        if one.state.startswith("/var/lib/parley/"):
            shutil.rmtree(one.state, ignore_errors=True)


@as_root
def test_a_state_folder_that_the_service_user_cannot_reach_is_named(make):
    one = make(TABLE)
    os.makedirs(f"{one.folder}/closed", mode=0o700)
    answer = one.deploy("supervisor", "run", PARLEY_STATE_DIR=f"{one.folder}/closed/state")
    assert answer.returncode == 69
    assert f"may not enter {one.folder}/closed" in answer.stderr


def test_stopping_ends_every_process(make):
    one = make(TABLE).start()
    pids = one.ours()
    assert len(pids) > 5
    assert one.stop() == 0
    assert not [pid for pid in pids if alive(pid)]
    assert not [name for name in os.listdir(one.run_dir) if name.endswith(".pid")]


def test_existing_servers_are_used_and_none_is_started(servers, make):
    servers.psql("DROP DATABASE IF EXISTS elsewhere", database="postgres")
    servers.psql("CREATE DATABASE elsewhere", database="postgres")
    servers.psql("DROP ROLE IF EXISTS boss", database="postgres")
    servers.psql("CREATE ROLE boss LOGIN SUPERUSER PASSWORD 'hush'", database="postgres")
    one = make(rows_of_the_table("postgres", "migrate", "redis")
               + "chat none always TERM 5 KILL sh -c 'env; cat \"$PARLEY_POSTGRES_PASSWORD_FILE\"; exec sleep 100'\n",
               PARLEY_POSTGRES=f"host={servers.run_dir} dbname=elsewhere user=boss password=hush",
               PARLEY_REDIS=f"{servers.run_dir}/redis.sock")
    one.sql_file("0001_one.sql", "CREATE SCHEMA one;\n")
    one.start()
    assert "migration 0001_one.sql" in one.text()
    assert not os.path.exists(f"{one.state}/postgres/data") and not os.path.exists(f"{one.run_dir}/redis.pid")
    until(lambda: "PARLEY_POSTGRES=" in one.log("chat"), 5, "its environment")
    assert f"PARLEY_POSTGRES=host={servers.run_dir} dbname=elsewhere\n" in one.log("chat")
    assert f"PARLEY_REDIS={servers.run_dir}/redis.sock\n" in one.log("chat") and "hush" not in one.log("chat")
    shutil.copy(f"{one.state}/secrets/postgres-chat", f"{servers.state}/secrets/postgres-chat")
    assert servers.psql("SELECT current_user", role="chat", database="elsewhere").stdout == "parley_chat\n"
