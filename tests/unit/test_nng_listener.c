/* That a server goes on listening whatever its clients do (see shared/net/nng_bus.c), and who may be a client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nng/nng.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/metrics.h"
#include "shared/net/nng_bus.h"
#include "tests/unit/waiting.h"

#define MAX_BYTES 4096

static struct nng_bus *bus;
static struct nng_server *server;
static struct nng_client *client;
static char message[256];
static enum nng_outcome outcome;
static bool answered;
static size_t request_count;

static nng_msg *message_of(const char *text)
{
    nng_msg *msg;
    if (nng_msg_alloc(&msg, strlen(text)) != 0)
        abort();
    memcpy(nng_msg_body(msg), text, strlen(text));
    return msg;
}

static void on_request(void *context, struct nng_exchange *exchange, struct text request)
{
    (void)context;
    (void)request;
    request_count++;
    nng_reply(exchange, message_of("hello"));
}

static void on_reply(void *context, enum nng_outcome outcome_in, struct text reply)
{
    (void)context;
    (void)reply;
    answered = true;
    outcome = outcome_in;
}

static bool is_answered(void)
{
    return answered;
}

static int set_up(void **state)
{
    (void)state;
    log_init("test", LOG_LEVEL_ERROR);
    bus = nng_bus_create(waiting_start());
    answered = false;
    outcome = NNG_OUTCOME_UNCERTAIN;
    request_count = 0;
    server = nng_server_create(bus, waiting_path("ipc://", "s"), 4, MAX_BYTES, on_request, NULL,
                               message, sizeof message);
    assert_non_null(server);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nng_client_destroy(&client);
    nng_server_destroy(&server);
    nng_bus_destroy(&bus);
    waiting_stop();
    return 0;
}

static void assert_is_served(void)
{
    answered = false;
    nng_request(client, message_of("x"), 8000, on_reply, NULL);
    wait_until(is_answered);
    assert_int_equal(outcome, NNG_OUTCOME_OK);
}

static void assert_a_new_client_is_served(void)
{
    client = nng_client_create(bus, waiting_path("ipc://", "s"), 8, MAX_BYTES);
    assert_is_served();
    nng_client_destroy(&client);
}

static void assert_nothing_was_made_anew(void)
{
    struct buffer metrics = BUFFER_EMPTY;
    metrics_render(&metrics);
    buffer_append(&metrics, "", 1);
    assert_non_null(strstr(metrics.data, "\nparley_bus_relistens_total 0\n"));
    buffer_deinit(&metrics);
}

static void touch(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        /* A full backlog or a listener that is being made anew: nothing to touch now. */
    }
    close(fd);
}

static void connections_that_are_closed_at_once_do_it_no_harm(void **state)
{
    (void)state;
    client = nng_client_create(bus, waiting_path("ipc://", "s"), 8, MAX_BYTES);
    assert_is_served();
    for (int i = 0; i < 300; i++) {
        touch(waiting_path("", "s"));
        if (i % 10 == 0)
            wait_ms(1);
    }
    wait_ms(1500); /* long enough to be noticed, had it died */
    assert_true(nng_client_is_connected(client));
    assert_is_served();
    nng_client_destroy(&client);
    assert_a_new_client_is_served();
    assert_nothing_was_made_anew();
}

static void clients_that_are_killed_while_they_connect_do_it_no_harm(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 120; i++) {
        pid_t pid = start_self((const char *const[]){"ask", waiting_path("ipc://", "s"), NULL});
        usleep(2000 + i % 40 * 100); /* in the middle of its handshake, for some of them */
        kill_and_reap(&pid);
    }
    assert_a_new_client_is_served();
    assert_nothing_was_made_anew();
}

static void a_client_finds_a_server_again_that_died_during_handshakes(void **state)
{
    (void)state;
    client = nng_client_create(bus, waiting_path("ipc://", "t"), 8, MAX_BYTES);
    for (unsigned i = 0; i < 60; i++) {
        pid_t pid = start_self((const char *const[]){"silence", waiting_path("", "t"), NULL});
        wait_ms(5 + i % 7);
        kill_and_reap(&pid);
        unlink(waiting_path("", "t"));
    }
    pid_t pid = start_self((const char *const[]){"serve", waiting_path("ipc://", "t"), NULL});
    assert_is_served();
    kill_and_reap(&pid);
}

static void a_peer_of_another_user_is_turned_away(void **state)
{
    (void)state;
    int status = 0;
    if (geteuid() != 0)
        skip(); /* only root can be another user */
    assert_int_equal(chmod(waiting_folder(), 0755), 0);
    assert_int_equal(chmod(waiting_path("", "s"), 0666), 0);
    pid_t pid =
        start_self((const char *const[]){"ask-as-nobody", waiting_path("ipc://", "s"), NULL});
    for (int i = 0; i < 200 && waitpid(pid, &status, WNOHANG) == 0; i++)
        wait_ms(20);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), NNG_OUTCOME_OK);
    assert_int_equal(request_count, 0);
    assert_a_new_client_is_served();
}

/* --- the other processes --- */

static void stop_loop(void *context)
{
    loop_stop(context);
}

static void on_reply_exit(void *context, enum nng_outcome outcome_in, struct text reply)
{
    (void)reply;
    outcome = outcome_in;
    loop_stop(context);
}

/* Ends with the outcome as its status. */
static int ask(const char *url)
{
    struct loop *loop = loop_create();
    bus = nng_bus_create(loop);
    client = nng_client_create(bus, url, 1, MAX_BYTES);
    nng_request(client, message_of("x"), 1000, on_reply_exit, loop);
    loop_run(loop);
    return (int)outcome;
}

static int ask_as_nobody(const char *url)
{
    const struct passwd *nobody = getpwnam("nobody");
    if (nobody == NULL || setgid(nobody->pw_gid) != 0 || setuid(nobody->pw_uid) != 0)
        return NNG_OUTCOME_OK; /* which the test takes for a failure */
    return ask(url);
}

static int serve(const char *url)
{
    struct loop *loop = loop_create();
    struct loop_timer *end = loop_timer_create(loop, stop_loop, loop);
    bus = nng_bus_create(loop);
    server = nng_server_create(bus, url, 4, MAX_BYTES, on_request, NULL, message, sizeof message);
    loop_timer_start(end, 30000);
    loop_run(loop);
    return 0;
}

/* Lets peers connect, and never says a word. */
static int listen_in_silence(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 8) != 0)
        return 1;
    pause();
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const char *argument);
    } others[] = {{"ask", ask},
                  {"ask-as-nobody", ask_as_nobody},
                  {"serve", serve},
                  {"silence", listen_in_silence}};
    for (size_t i = 0; argc == 3 && i < sizeof others / sizeof others[0]; i++)
        if (strcmp(argv[1], others[i].name) == 0)
            return others[i].run(argv[2]);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(connections_that_are_closed_at_once_do_it_no_harm),
        TEST(clients_that_are_killed_while_they_connect_do_it_no_harm),
        TEST(a_client_finds_a_server_again_that_died_during_handshakes),
        TEST(a_peer_of_another_user_is_turned_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
