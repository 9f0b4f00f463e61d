#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/private_postgres.h"

#define BIN           "/usr/lib/postgresql/15/bin/"
#define PATH_BYTES    160
#define MAX_ARGUMENTS 24
#define START_TRIES   200
#define TRY_US        50000

static char data[PATH_BYTES], sockets[PATH_BYTES], conninfo[PATH_BYTES * 2];
static pid_t server;

/* As the user postgres when we are root, which the server refuses to be; and never to outlive us. */
static pid_t spawn(const char *const *command)
{
    static const char *const as_postgres[] = {"setpriv", "--reuid=postgres", "--regid=postgres",
                                              "--clear-groups", "--pdeathsig=QUIT"};
    static const char *const as_we_are[] = {"setpriv", "--pdeathsig=QUIT"};
    const char *argv[MAX_ARGUMENTS + 1] = {NULL};
    extern char **environ;
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    bool is_root = geteuid() == 0;
    size_t count = is_root ? sizeof as_postgres / sizeof as_postgres[0]
                           : sizeof as_we_are / sizeof as_we_are[0];
    for (size_t i = 0; i < count; i++)
        argv[i] = is_root ? as_postgres[i] : as_we_are[i];
    for (size_t i = 0; command[i] != NULL && count < MAX_ARGUMENTS; i++)
        argv[count++] = command[i];
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&pid, argv[0], &actions, NULL, (char **)(uintptr_t)argv, environ) != 0)
        pid = 0;
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static PGconn *connect_admin(void)
{
    PGconn *connection = PQconnectdb(conninfo);
    if (PQstatus(connection) == CONNECTION_OK)
        return connection;
    PQfinish(connection);
    return NULL;
}

bool private_postgres_make(const char *folder)
{
    const struct passwd *postgres = getpwnam("postgres");
    int status = -1;
    snprintf(sockets, sizeof sockets, "%s", folder);
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(conninfo, sizeof conninfo, "host=%s user=postgres dbname=postgres", folder);
    if (geteuid() == 0 &&
        (postgres == NULL || chown(folder, postgres->pw_uid, postgres->pw_gid) != 0))
        return false;
    const char *const command[] = {BIN "initdb", "--no-sync", "--auth=trust", "--username=postgres",
                                   "--locale=C", "-E",        "UTF8",         "-D",
                                   data,         NULL};
    pid_t pid = spawn(command);
    if (pid == 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return false;
    private_postgres_start();
    PGconn *connection = connect_admin();
    PQfinish(connection);
    return connection != NULL;
}

void private_postgres_start(void)
{
    const char *const command[] = {BIN "postgres",
                                   "-D",
                                   data,
                                   "-k",
                                   sockets,
                                   "-c",
                                   "listen_addresses=",
                                   "-c",
                                   "fsync=off",
                                   "-c",
                                   "max_connections=20",
                                   NULL};
    server = spawn(command);
    for (int i = 0; i < START_TRIES; i++) {
        PGconn *connection = connect_admin();
        if (connection != NULL) {
            PQfinish(connection);
            return;
        }
        usleep(TRY_US);
    }
}

void private_postgres_stop(void)
{
    if (server == 0)
        return;
    kill(server, SIGQUIT);
    waitpid(server, NULL, 0);
    server = 0;
}

const char *private_postgres_conninfo(void)
{
    static char without_user[PATH_BYTES * 2];
    snprintf(without_user, sizeof without_user, "host=%s dbname=postgres", sockets);
    return without_user;
}

long private_postgres_run(const char *sql)
{
    PGconn *connection = connect_admin();
    assert_non_null(connection);
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    long number = 0;
    if (status == PGRES_TUPLES_OK && PQntuples(result) > 0)
        number = strtol(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    PQfinish(connection);
    assert_true(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK);
    return number;
}

void private_postgres_run_file(const char *path)
{
    static char sql[65536];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(sql, 1, sizeof sql - 1, file);
    fclose(file);
    assert_true(length < sizeof sql - 1);
    sql[length] = '\0';
    private_postgres_run(sql);
}
