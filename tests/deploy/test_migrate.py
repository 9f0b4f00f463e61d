"""Migrations: in order, once, whole or not at all; what was applied is never silently something else."""

import concurrent.futures
import os

import pytest
from supervised import free_port

ONE = "CREATE SCHEMA one AUTHORIZATION parley_user;\nCREATE TABLE one.thing (id bigint PRIMARY KEY);\n"
TWO = "ALTER TABLE one.thing ADD COLUMN word text;\nINSERT INTO one.thing VALUES (1, 'it''s');\n"


@pytest.fixture
def database(servers):
    """A database without migrations, and a folder with two."""
    servers.psql("DROP DATABASE IF EXISTS parley", database="postgres")
    for name in os.listdir(servers.sql):
        os.remove(f"{servers.sql}/{name}")
    servers.sql_file("0001_one.sql", ONE)
    servers.sql_file("0002_two.sql", TWO)
    return servers


def records(one):
    return one.psql("SELECT number || ' ' || name FROM parley_migrations ORDER BY number").stdout.splitlines()


def test_files_are_applied_in_order_and_recorded(database):
    answer = database.deploy("migrate")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == "migration 0001_one.sql\nmigration 0002_two.sql\n2 migrations in place\n"
    assert records(database) == ["1 0001_one.sql", "2 0002_two.sql"]
    assert database.psql("SELECT word FROM one.thing").stdout == "it's\n"


def test_a_second_run_applies_nothing(database):
    database.deploy("migrate")
    answer = database.deploy("migrate")
    assert (answer.returncode, answer.stdout) == (0, "2 migrations in place\n")


def test_a_new_file_alone_is_applied(database):
    database.deploy("migrate")
    database.sql_file("0003_three.sql", "CREATE TABLE one.other (id bigint);\n")
    assert database.deploy("migrate", "--quiet").stdout == "migration 0003_three.sql\n"


def test_a_changed_file_is_refused_by_name_and_nothing_is_applied(database):
    database.deploy("migrate")
    database.sql_file("0001_one.sql", ONE + "-- a word more\n")
    database.sql_file("0003_three.sql", "CREATE TABLE one.other (id bigint);\n")
    answer = database.deploy("migrate")
    assert answer.returncode == 69
    assert "migration 0001_one.sql was changed after it was applied" in answer.stderr
    assert len(records(database)) == 2


def test_a_missing_file_is_refused_by_name(database):
    database.deploy("migrate")
    os.remove(f"{database.sql}/0002_two.sql")
    answer = database.deploy("migrate")
    assert answer.returncode == 69
    assert "migration 0002_two.sql was applied here but its file is gone" in answer.stderr


def test_a_file_with_a_number_below_an_applied_one_is_refused(database):
    os.rename(f"{database.sql}/0001_one.sql", f"{database.folder}/aside")
    database.sql_file("0002_two.sql", ONE)
    database.deploy("migrate")
    os.rename(f"{database.folder}/aside", f"{database.sql}/0001_one.sql")
    answer = database.deploy("migrate")
    assert answer.returncode == 69 and "give it the next free number" in answer.stderr


def test_a_migration_that_fails_leaves_nothing_and_says_where(database):
    database.sql_file("0003_three.sql", "CREATE TABLE one.half (id bigint);\nSELECT no_such_function();\n")
    answer = database.deploy("migrate")
    assert answer.returncode == 69
    assert "migration 0003_three.sql" in answer.stderr and "no_such_function" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert len(records(database)) == 2
    assert database.psql("SELECT to_regclass('one.half') IS NULL").stdout == "t\n"


def test_two_runners_at_once_apply_each_file_once(database):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda _: database.deploy("migrate"), range(4)))
    assert [answer.returncode for answer in answers] == [0, 0, 0, 0], [answer.stderr for answer in answers]
    assert "".join(answer.stdout for answer in answers).count("migration 0001_one.sql") == 1


@pytest.mark.parametrize("name, text, words", [
    ("003_three.sql", "SELECT 1;", "a name must be NNNN_words.sql"),
    ("0002_again.sql", "SELECT 1;", "two files have the number 0002"),
    ("0003_three.sql", "BEGIN;\nSELECT 1;\nCOMMIT;\n", "run inside one transaction"),
])
def test_a_file_that_cannot_be_ordered_or_undone_is_refused(database, name, text, words):
    database.sql_file(name, text)
    answer = database.deploy("migrate")
    assert answer.returncode == 69 and words in answer.stderr
    assert f"migration {name[:4]}" in answer.stderr


def test_status_tells_what_is_applied_changed_and_not(database):
    database.deploy("migrate")
    database.sql_file("0002_two.sql", TWO + "-- more\n")
    database.sql_file("0003_three.sql", "SELECT 1;\n")
    lines = database.deploy("migrate", "--status").stdout.splitlines()
    assert " applied 20" in lines[0] and "CHANGED" in lines[1] and "not applied" in lines[2]


def test_roles_cannot_enter_the_record_of_migrations_or_each_others_schemas(database):
    database.deploy("migrate")
    assert "permission denied" in database.psql("SELECT * FROM parley_migrations", role="chat").stderr
    assert "permission denied" in database.psql("SELECT * FROM one.thing", role="chat").stderr
    assert "permission denied" in database.psql("CREATE TABLE public.mine (id bigint)", role="chat").stderr


def test_the_real_migrations_apply(database):
    answer = database.deploy("migrate", PARLEY_SQL_DIR="")
    assert answer.returncode == 0, answer.stderr


def test_no_role_can_use_another_services_schema(database):
    database.deploy("migrate", PARLEY_SQL_DIR="")
    schemas = {"user": "users", "metadata": "metadata", "chat": "chat", "delivery": "delivery"}
    for role in schemas:
        for other, schema in schemas.items():
            answer = database.psql(f"SELECT has_schema_privilege('parley_{role}', nspname, 'USAGE') FROM pg_namespace "
                                   f"WHERE nspname = '{schema}'")
            assert answer.stdout in (("t\n", "") if role == other else ("f\n", "")), (role, schema)


@pytest.mark.parametrize("change, words", [
    ("host=/nowhere dbname=parley", "unset it for a private one"),
    ("host=127.0.0.1 port={closed} dbname=parley", "start that server or correct PARLEY_POSTGRES"),
    ("postgresql://someone@127.0.0.1:{closed}/parley", "start that server or correct PARLEY_POSTGRES"),
    ("host={run} dbname=parley user=parley_chat password=wrong", "correct user and password"),
    ("host={run} dbname=parley user=parley_chat password='it\\'s'", "correct user and password"),
    ("postgresql://parley_chat:wrong@/parley?host={run}", "correct user and password"),
    ("host={run} dbname=nowhere user=parley_chat password={right}", "create it, or name another database"),
    ("host={run} dbname=parley user=parley_chat password={right}", "PARLEY_POSTGRES_ADMIN"),
])
def test_an_existing_server_that_cannot_be_used_is_named_in_one_line_with_the_mend(database, change, words):
    database.deploy("migrate")
    with open(f"{database.state}/secrets/postgres-chat", encoding="utf-8") as file:
        right = file.read()
    answer = database.deploy("migrate", PARLEY_POSTGRES=change.format(closed=free_port(), run=database.run_dir, right=right))
    assert answer.returncode == 69
    assert words in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert right not in answer.stderr and "wrong@" not in answer.stderr
