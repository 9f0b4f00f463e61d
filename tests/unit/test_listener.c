/* Listening Unix sockets: who owns a path, who may connect, and what happens when descriptors run out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/net/listener.h"

#define NOBODY 65534

static struct loop *loop;
static struct loop_timer *tick;
static struct listener *listener;
static char folder[64], path[100], lock_path[110], message[300];
static int accepted[64];
static int accepted_count;

static void on_accept(void *context, int fd)
{
    assert_ptr_equal(context, &loop);
    accepted[accepted_count++] = fd;
}

static void on_tick(void *context)
{
    (void)context;
    loop_stop(loop);
}

static void turn(int64_t ms)
{
    loop_timer_start(tick, ms);
    loop_run(loop);
}

static struct listener *make(void)
{
    message[0] = '\0';
    return listener_create(loop, path, on_accept, &loop, message, sizeof message);
}

static int start(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/parley-listener-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    snprintf(lock_path, sizeof lock_path, "%s.lock", path);
    loop = loop_create();
    tick = loop_timer_create(loop, on_tick, NULL);
    accepted_count = 0;
    listener = make();
    assert_non_null(listener);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (int i = 0; i < accepted_count; i++)
        close(accepted[i]);
    listener_destroy(&listener);
    loop_timer_destroy(&tick);
    loop_destroy(&loop);
    unlink(lock_path);
    rmdir(folder);
    return 0;
}

/* -1 with errno set when there is nobody. */
static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static void a_connection_is_handed_over_without_blocking_and_without_heirs(void **state)
{
    (void)state;
    int fd = dial();
    turn(20);
    assert_int_equal(accepted_count, 1);
    assert_true((fcntl(accepted[0], F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(accepted[0], F_GETFD) & FD_CLOEXEC) != 0);
    close(fd);
}

static void the_socket_is_for_user_and_group_only(void **state)
{
    struct stat status;
    (void)state;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0660);
    assert_int_equal(stat(lock_path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void a_path_has_one_owner(void **state)
{
    (void)state;
    assert_null(make());
    assert_non_null(strstr(message, path));
    assert_non_null(strstr(message, "another process listens here: stop it first"));
    int fd = dial(); /* the first one is not disturbed */
    assert_true(fd >= 0);
    turn(20);
    assert_int_equal(accepted_count, 1);
    close(fd);
}

static void the_socket_of_a_dead_owner_is_replaced(void **state)
{
    (void)state;
    listener_destroy(&listener);
    pid_t child = fork();
    if (child == 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strcpy(address.sun_path, path);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        _exit(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    listener = make();
    assert_non_null(listener);
    int fd = dial();
    assert_true(fd >= 0);
    close(fd);
}

static void a_destroyed_listener_leaves_no_socket(void **state)
{
    (void)state;
    listener_destroy(&listener);
    assert_int_equal(access(path, F_OK), -1);
    listener = make();
    assert_non_null(listener);
}

static void a_stopped_listener_accepts_no_more_but_connections_live_on(void **state)
{
    char byte;
    (void)state;
    int fd = dial();
    turn(20);
    listener_stop(listener);
    int late = dial();
    turn(150);
    assert_int_equal(accepted_count, 1);
    assert_int_equal(write(accepted[0], "x", 1), 1);
    assert_int_equal(read(fd, &byte, 1), 1);
    close(fd);
    close(late);
}

static void what_is_wrong_with_a_path_is_said_with_a_mend(void **state)
{
    char right[100];
    (void)state;
    strcpy(right, path);
    strcpy(path, "/nonexistent/folder/s");
    assert_null(make());
    assert_non_null(strstr(message, "/nonexistent/folder/s"));
    assert_non_null(strstr(message, "does the folder exist"));
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    char longer[200];
    snprintf(longer, sizeof longer, "%s%s", path, "123456789");
    assert_null(listener_create(loop, longer, on_accept, NULL, message, sizeof message));
    assert_non_null(strstr(message, "shorter folder"));
    strcpy(path, right);
}

/* --- peers --- */

/* What a process of another user and group gets: 0 when it is let in, 1 when it is closed at once. */
static int visit_as(uid_t uid, gid_t gid, bool joins_our_group)
{
    gid_t groups[] = {getegid()};
    chmod(folder, 0777);
    chmod(path, 0666);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        if (setgroups(joins_our_group ? 1 : 0, groups) != 0 || setgid(gid) != 0 || setuid(uid) != 0)
            _exit(2);
        int fd = dial();
        _exit(fd < 0 ? 3 : read(fd, &byte, 1) == 1 ? 0 : 1);
    }
    int status = -1;
    for (int i = 0; i < 100 && waitpid(child, &status, WNOHANG) == 0; i++) {
        turn(10);
        for (; accepted_count > 0; accepted_count--) {
            assert_int_equal(write(accepted[accepted_count - 1], "x", 1), 1);
            close(accepted[accepted_count - 1]);
        }
    }
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void only_our_user_root_and_our_group_may_connect(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* only root can become somebody else */
    assert_int_equal(visit_as(NOBODY, NOBODY, false), 1);
    assert_int_equal(visit_as(NOBODY, NOBODY, true), 0);
    assert_int_equal(visit_as(NOBODY, getegid(), false), 0);
    assert_int_equal(visit_as(0, 0, false), 0);
}

/* --- descriptors --- */

static void without_descriptors_accepting_pauses_and_goes_on(void **state)
{
    struct rlimit before, none;
    (void)state;
#ifdef PARLEY_VALGRIND
    skip(); /* it keeps descriptors of its own, and a bound of its own on them */
#endif
    int fd = dial();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)fd + 1; /* the next descriptor would be above it */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct rusage usage_before, usage_after;
    getrusage(RUSAGE_SELF, &usage_before);
    turn(500);
    getrusage(RUSAGE_SELF, &usage_after);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(accepted_count, 0);
    int64_t used_us = (usage_after.ru_utime.tv_sec - usage_before.ru_utime.tv_sec) * 1000000 +
                      usage_after.ru_utime.tv_usec - usage_before.ru_utime.tv_usec +
                      (usage_after.ru_stime.tv_sec - usage_before.ru_stime.tv_sec) * 1000000 +
                      usage_after.ru_stime.tv_usec - usage_before.ru_stime.tv_usec;
    assert_true(used_us < 100000); /* it does not spin */
    turn(250);
    assert_int_equal(accepted_count, 1);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_is_handed_over_without_blocking_and_without_heirs),
        TEST(the_socket_is_for_user_and_group_only),
        TEST(a_path_has_one_owner),
        TEST(the_socket_of_a_dead_owner_is_replaced),
        TEST(a_destroyed_listener_leaves_no_socket),
        TEST(a_stopped_listener_accepts_no_more_but_connections_live_on),
        TEST(what_is_wrong_with_a_path_is_said_with_a_mend),
        TEST(only_our_user_root_and_our_group_may_connect),
        TEST(without_descriptors_accepting_pauses_and_goes_on),
    };
    log_init("test", LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
