#include "tests/unit/waiting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"

#define LOOK_MS         2
#define LONGEST_WAIT_MS 40000
#define MAX_ARGUMENTS   8
#define PATHS_KEPT      4

static struct loop *loop;
static char folder[WAITING_PATH_BYTES];

static struct {
    bool (*condition)(void);
    int64_t until_ms;
    bool holds;
} waiting;

struct loop *waiting_start(void)
{
    snprintf(folder, sizeof folder, "/tmp/parley.XXXXXX");
    assert_non_null(mkdtemp(folder));
    loop = loop_create();
    return loop;
}

static void remove_folder(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char name[sizeof entry->d_name + WAITING_PATH_BYTES + 1];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (unlink(name) != 0)
            remove_folder(name);
    }
    if (directory != NULL)
        closedir(directory);
    rmdir(path);
}

void waiting_stop(void)
{
    loop_destroy(&loop);
    remove_folder(folder);
}

const char *waiting_folder(void)
{
    return folder;
}

const char *waiting_path(const char *prefix, const char *name)
{
    static char paths[PATHS_KEPT][WAITING_PATH_BYTES * 2];
    static unsigned next;
    char *path = paths[next++ % PATHS_KEPT];
    snprintf(path, sizeof paths[0], "%s%s/%s", prefix, folder, name);
    return path;
}

static void on_look(void *context)
{
    (void)context;
    waiting.holds = waiting.condition();
    if (waiting.holds || clock_monotonic_ms() >= waiting.until_ms)
        loop_stop(loop);
}

bool wait_at_most(bool (*condition)(void), int64_t deadline_ms)
{
    struct loop_timer *timer = loop_timer_create(loop, on_look, NULL);
    waiting.condition = condition;
    waiting.until_ms = clock_monotonic_ms() + deadline_ms;
    loop_timer_repeat(timer, LOOK_MS);
    loop_run(loop);
    loop_timer_destroy(&timer);
    return waiting.holds;
}

void wait_until(bool (*condition)(void))
{
    assert_true(wait_at_most(condition, LONGEST_WAIT_MS));
}

static bool never(void)
{
    return false;
}

void wait_ms(int64_t duration_ms)
{
    wait_at_most(never, duration_ms);
}

pid_t start_self(const char *const *arguments)
{
    char self[PATH_MAX] = "";
    char *argv[MAX_ARGUMENTS + 2] = {self};
    extern char **environ;
    pid_t pid;
    /* The name behind the link: valgrind does not start the link itself. */
    assert_in_range(readlink("/proc/self/exe", self, sizeof self - 1), 1, sizeof self - 1);
    for (int i = 0; i < MAX_ARGUMENTS && arguments[i] != NULL; i++)
        argv[i + 1] = (char *)(uintptr_t)arguments[i];
    assert_int_equal(posix_spawn(&pid, self, NULL, NULL, argv, environ), 0);
    return pid;
}

void kill_and_reap(pid_t *pid)
{
    if (*pid == 0)
        return;
    kill(*pid, SIGKILL);
    waitpid(*pid, NULL, 0);
    *pid = 0;
}
