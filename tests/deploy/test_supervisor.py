"""The supervisor keeps what its table says running, in order, and leaves nothing behind. Stand-ins play the daemons."""

import os
import re
import signal
import socket
import subprocess
import time

import pytest
from conftest import as_root
from supervised import ROOT, alive, free_port, until

SLEEPER = "{name} none always TERM 5 KILL sleep 1000\n"


def sleepers(*names):
    return "".join(SLEEPER.format(name=name) for name in names)


def test_processes_start_in_the_order_of_the_table(make):
    one = make(sleepers("first", "second", "third")).start()
    assert re.findall(r"(\w+) ready \(pid", one.text()) == ["first", "second", "third"]


def test_a_process_starts_when_the_one_before_it_is_ready(make):
    one = make('slow file:made always TERM 5 KILL sh -c \'sleep 0.4; touch "$PARLEY_RUN_DIR/made"; exec sleep 1000\'\n'
               + sleepers("next")).start(ready=None)
    until(lambda: one.pid("slow"), 5, "slow runs")
    time.sleep(0.2)
    assert one.pid("next") == 0
    until(lambda: one.pid("next"), 5, "next runs")
    assert os.path.exists(f"{one.run_dir}/made")


def test_a_killed_process_is_back_time_after_time(make):
    one = make(sleepers("a", "b", "c")).start()
    for _ in range(2):
        for name in ("a", "b", "c"):
            one.back(name, one.kill(name))
    assert "a again" in one.text()


def test_all_killed_at_once_are_all_back_within_a_second(make):
    names = ["a", "b", "c", "d", "e", "f"]
    one = make(sleepers(*names)).start()
    for _ in range(2):
        former = {name: one.kill(name) for name in names}
        for name in names:
            one.back(name, former[name])


def test_a_death_in_the_very_moment_of_another_restart_is_noticed(make):
    one = make(sleepers("a", "b")).start()
    for delay in (0.095, 0.1, 0.105, 0.11):
        former = {"a": one.kill("a")}
        time.sleep(delay)
        former["b"] = one.kill("b")
        for name, pid in former.items():
            one.back(name, pid)


def test_pauses_between_restarts_double_while_others_live_on(make):
    one = make(sleepers("steady") + "loop none always TERM 5 KILL sh -c 'sleep 0.05; exit 3'\n").start(ready=None)
    until(lambda: "again in 800 ms" in one.text(), 10, "the pause has doubled")
    pauses = [int(ms) for ms in re.findall(r"loop ended \(status 3\); again in (\d+) ms", one.text())]
    assert pauses[:4] == [100, 200, 400, 800]
    assert alive(one.pid("steady"))


def test_what_had_served_for_a_while_is_started_again_without_a_long_pause(make):
    one = make("served none always TERM 5 KILL sh -c 'sleep 2.1; exit 3'\n").start(ready=None)
    until(lambda: one.text().count("served ended") >= 2, 15, "it has ended twice")
    assert set(re.findall(r"again in (\d+) ms", one.text())) == {"100"}


def test_sigterm_stops_in_the_reverse_order_and_ends_with_zero(make):
    one = make(sleepers("first", "second", "third")).start()
    assert one.stop() == 0
    assert re.findall(r"(\w+) stopped", one.text()) == ["third", "second", "first"]
    assert one.ours() == []


def test_an_interrupt_of_the_terminal_reaches_the_supervisor_alone(make):
    script = "sh -c 'trap \"echo interrupted; exit 1\" INT; while :; do sleep 0.05; done'"
    one = make(f"a none always TERM 5 KILL {script}\n").start()
    os.killpg(one.process.pid, signal.SIGINT)
    assert one.process.wait(10) == 0
    assert "interrupted" not in one.log("a")


def test_a_process_that_does_not_end_in_its_grace_is_killed(make):
    one = make("deaf none always TERM 1 KILL sh -c 'trap \"\" TERM; while :; do sleep 0.05; done'\n").start()
    began = time.monotonic()
    assert one.stop() == 0
    assert 0.9 < time.monotonic() - began < 4
    assert "deaf did not end in time" in one.text()


def test_a_second_request_to_stop_ends_the_patience(make):
    one = make("deaf none always TERM 60 KILL sh -c 'trap \"\" TERM; while :; do sleep 0.05; done'\n").start()
    one.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(5) == 0


def test_a_front_door_with_a_plus_is_asked_first_and_awaited_last(make):
    script = "sh -c 'trap \"echo asked; sleep 0.3; exit 0\" QUIT; echo open; while :; do sleep 0.05; done'"
    one = make(sleepers("daemon") + f"door none always QUIT+ 5 TERM {script}\n").start()
    until(lambda: "open" in one.log("door"), 10, "the door can be asked")
    one.stop()
    assert re.findall(r"(\w+) stopped", one.text()) == ["daemon", "door"]
    assert "asked" in one.log("door")


def test_nothing_survives_a_kill_of_the_supervisor(make):
    one = make(sleepers("a", "b") + "loop none always TERM 5 KILL sh -c 'sleep 0.05; exit 3'\n").start(ready=None)
    until(lambda: "again in 400 ms" in one.text(), 10, "a pause is running")
    one.process.kill()
    one.process.wait()
    until(lambda: not one.ours(), 15, "all are gone")


def test_a_second_supervisor_with_the_same_state_is_refused(make):
    one = make(sleepers("a")).start()
    answer = one.deploy("supervisor", "run")
    assert answer.returncode == 69
    assert f"already runs with {one.state} (pid {one.process.pid})" in answer.stderr
    assert alive(one.pid("a"))


def test_two_supervisors_cannot_share_a_folder_for_sockets(make):
    one = make(sleepers("a")).start()
    answer = make(sleepers("a")).deploy("supervisor", "run", PARLEY_RUN_DIR=one.run_dir)
    assert answer.returncode == 69
    assert f"another supervisor has its sockets in {one.run_dir}" in answer.stderr


def test_stop_ends_the_one_that_runs_and_is_content_when_none_does(make):
    one = make(sleepers("a")).start()
    answer = one.deploy("supervisor", "stop")
    assert (answer.returncode, answer.stdout) == (0, "stopped\n")
    assert one.process.wait(5) == 0
    again = one.deploy("supervisor", "stop")
    assert again.returncode == 0 and "nothing runs" in again.stdout


def test_status_tells_pid_uptime_restarts_and_readiness(make):
    one = make(sleepers("a") + "b file:made always TERM 5 KILL sh -c 'touch \"$PARLEY_RUN_DIR/made\"; exec sleep 100'\n")
    one.start()
    one.back("a", one.kill("a"))
    answer = one.deploy("supervisor", "status")
    rows = {line.split()[0]: line.split() for line in answer.stdout.splitlines()[1:]}
    assert answer.returncode == 0
    assert rows["a"][1] == str(one.pid("a")) and rows["a"][4:] == ["1", "yes"]
    os.remove(f"{one.run_dir}/made")
    assert one.deploy("supervisor", "status").returncode == 3


def test_the_environment_of_a_child_has_the_callers_settings_but_no_administrators_secret(make):
    one = make("a none always TERM 5 KILL sh -c 'env; exec sleep 100'\n", PARLEY_CHAT_PARTITIONS="4",
               PARLEY_POSTGRES="postgresql://boss:hush@db/parley", PARLEY_POSTGRES_ADMIN="user=boss password=hush2",
               PGPASSWORD="hush3").start()
    until(lambda: "PARLEY_RUN_DIR=" in one.log("a"), 5, "its environment")
    assert "PARLEY_CHAT_PARTITIONS=4\n" in one.log("a")
    assert "PARLEY_POSTGRES=postgresql://db/parley\n" in one.log("a")
    assert "hush" not in one.log("a")


def test_a_settings_file_is_found_from_whatever_folder_the_child_has(make):
    one = make("a none always TERM 5 KILL sh -c 'cat \"$PARLEY_CONFIG\"; exec sleep 100'\n")
    with open(f"{one.folder}/settings", "w", encoding="utf-8") as file:
        file.write("log_level = debug\n")
    one.environment["PARLEY_CONFIG"] = os.path.relpath(f"{one.folder}/settings")
    one.start()
    until(lambda: "log_level = debug" in one.log("a"), 5, "its settings")


def test_a_hangup_cuts_large_logs_while_their_writers_go_on(make):
    one = make("a none always TERM 5 KILL sh -c 'while :; do echo 0123456789; sleep 0.001; done'\n",
               PARLEY_MAX_LOG_BYTES="5000").start()
    until(lambda: len(one.log("a")) > 6000, 20, "a large log")
    one.process.send_signal(signal.SIGHUP)
    until(lambda: os.path.exists(f"{one.state}/log/a.log.1"), 5, "the log was put aside")
    until(lambda: len(one.log("a")) < 5000, 5, "the log is short again")
    former = len(one.log("a"))
    until(lambda: len(one.log("a")) > former, 5, "it is written on")
    assert "\0" not in one.log("a")


def test_sigusr1_is_passed_on_to_the_daemons(make):
    script = "sh -c 'trap \"echo debug\" USR1; while :; do sleep 0.02; done'"
    one = make(f"chat none always TERM 5 KILL {script}\n" + sleepers("other")).start()
    time.sleep(0.2)
    one.process.send_signal(signal.SIGUSR1)
    until(lambda: "debug" in one.log("chat"), 5, "the daemon was told")
    assert alive(one.pid("other"))


def test_a_broken_environment_stops_the_start_with_the_last_words(make):
    one = make(sleepers("a") + "b file:never always TERM 5 KILL sh -c 'echo postgres: set PARLEY_X; exit 69'\n").start(ready=None)
    assert one.process.wait(20) == 69
    assert "postgres: set PARLEY_X" in one.text()
    assert one.ours() == []


def test_a_process_that_never_lives_long_stops_the_start(make):
    one = make(sleepers("a") + "b file:never always TERM 5 KILL sh -c 'echo sorry; exit 1'\n").start(ready=None)
    assert one.process.wait(30) == 69
    assert "b does not start" in one.text() and "sorry" in one.text()
    assert one.ours() == []


def test_a_failed_task_stops_the_start(make):
    one = make(sleepers("a") + "task none once TERM 5 TERM false\n" + sleepers("b")).start(ready=None)
    assert one.process.wait(10) == 69
    assert "'task' failed" in one.text()
    assert one.ours() == []


@pytest.mark.parametrize("setting, value, words", [
    ("PARLEY_PORT", "http", "PARLEY_PORT is 'http'; it must be a number"),
    ("PARLEY_PORT", "0", "it must be a number from 1 to 65535"),
    ("PARLEY_OPS_PORT", "65536", "PARLEY_OPS_PORT is '65536'"),
    ("PARLEY_ENVIRONMENT", "staging", "it must be development or production"),
    ("PARLEY_BIND", "a b", "PARLEY_BIND is 'a b'"),
    ("PARLEY_PROCESSES", "/nowhere", "/nowhere cannot be read"),
    ("PARLEY_RUN_DIR", "/tmp/" + "x" * 100, "set PARLEY_RUN_DIR to a shorter one"),
    ("PARLEY_CONFIG", "/nowhere/settings", "PARLEY_CONFIG is /nowhere/settings, which"),
    ("PARLEY_TLS_KEY", "/etc/hostname", "belong together"),
    ("PARLEY_RUN_DIR", "/tmp/a b", "set PARLEY_RUN_DIR to one of letters"),
])
def test_a_bad_setting_is_refused_with_its_name(make, setting, value, words):
    answer = make(sleepers("a")).deploy("supervisor", "run", **{setting: value})
    assert answer.returncode in (64, 69)
    assert words in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_a_port_in_use_is_named_with_the_mend(make):
    one = make("nginx port always QUIT+ 3 TERM sleep 100\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", one.port))
        taken.listen()
        answer = one.deploy("supervisor", "run")
    assert answer.returncode == 69
    assert f"port {one.port} is in use" in answer.stderr and "PARLEY_PORT" in answer.stderr


@as_root
def test_a_folder_for_sockets_that_is_somebody_elses_is_refused(make):
    one = make(sleepers("a"))
    os.chown(one.run_dir, 65534, 65534)
    answer = one.deploy("supervisor", "run")
    assert answer.returncode == 69
    assert f"{one.run_dir} belongs to nobody" in answer.stderr


def test_a_link_in_place_of_the_folder_for_sockets_is_refused(make):
    one = make(sleepers("a"))
    os.rmdir(one.run_dir)
    os.symlink(one.folder, one.run_dir)
    answer = one.deploy("supervisor", "run", PARLEY_RUN_DIR=one.run_dir)
    os.remove(one.run_dir)
    assert answer.returncode == 69
    assert "is not a folder" in answer.stderr


PRODUCTION = {"PARLEY_ENVIRONMENT": "production", "PARLEY_POSTGRES": "host=db", "PARLEY_REDIS": "cache:6379",
              "PARLEY_DELIVERY_ALLOWED_ORIGINS": "https://chat.example.org", "PARLEY_TLS": "outside"}


@pytest.mark.parametrize("change, words", [
    ({"PARLEY_POSTGRES": ""}, "set PARLEY_POSTGRES"),
    ({"PARLEY_REDIS": ""}, "set PARLEY_REDIS"),
    ({"PARLEY_DELIVERY_ALLOWED_ORIGINS": ""}, "set PARLEY_DELIVERY_ALLOWED_ORIGINS"),
    ({"PARLEY_DELIVERY_ALLOWED_ORIGINS": "*"}, "https addresses only"),
    ({"PARLEY_DELIVERY_ALLOWED_ORIGINS": "https://a.example, http://b.example"}, "https addresses only"),
    ({"PARLEY_TLS": ""}, "set PARLEY_TLS_CERTIFICATE and PARLEY_TLS_KEY"),
    ({"PARLEY_VARIANT": "asan"}, "set PARLEY_VARIANT=release"),
    ({"PARLEY_DEMONSTRATION": "1"}, "unset PARLEY_DEMONSTRATION"),
])
def test_production_refuses_what_suits_a_demonstration(make, change, words):
    answer = make(sleepers("a")).deploy("supervisor", "run", **{**PRODUCTION, **change})
    assert answer.returncode == 64
    assert "production refuses to start" in answer.stderr
    assert answer.stderr.count("\n  - ") == 1 and words in answer.stderr


def test_production_tells_all_its_reasons_at_once(make):
    answer = make(sleepers("a")).deploy("supervisor", "run", PARLEY_ENVIRONMENT="production")
    assert answer.stderr.count("\n  - ") == 4

def test_production_does_not_hash_passwords_weakly(tmp_path):
    """Tests may; where people's passwords are nobody may."""
    tmp_path.chmod(0o750)
    binary = f"{os.environ.get('BUILD_DIR', 'build')}/{os.environ.get('VARIANT', 'release')}/bin/parley-user"
    settings = {"PARLEY_RUN_DIR": str(tmp_path), "PARLEY_ENVIRONMENT": "production", "PARLEY_USER_PASSWORD_MEMORY_KIB": "19455"}
    done = subprocess.run([os.path.join(ROOT, binary)], env={**os.environ, **settings}, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 69 and "give at least 19456" in done.stderr


def test_an_existing_redis_that_does_not_answer_is_named(make):
    port = free_port()
    answer = make(sleepers("a")).deploy("supervisor", "run", PARLEY_REDIS=f"127.0.0.1:{port}")
    assert answer.returncode == 69
    assert f"Redis at 127.0.0.1:{port} does not answer" in answer.stderr
    assert "unset it for a private one" in answer.stderr


def test_a_program_that_was_not_built_is_named(make):
    one = make('chat http always TERM 5 KILL "$BIN_DIR/parley-chat"\n', PARLEY_BUILD_DIR="/nowhere")
    answer = one.deploy("supervisor", "run")
    assert answer.returncode == 69
    assert "/nowhere/release/bin/parley-chat" in answer.stderr and "make" in answer.stderr


@pytest.mark.parametrize("program", ["supervisor", "migrate", "install"])
def test_every_command_explains_itself(program):
    answer = subprocess.run([f"{ROOT}/deploy/{program}", "--help"], text=True, capture_output=True, check=False)
    assert answer.returncode == 0 and answer.stdout.startswith("usage: deploy/" + program)
