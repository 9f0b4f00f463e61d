/* The guards of listeners and dialers, with the cure of nng_bus.c taken away: here nng's listener dies as it would
 * without it, and is made anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nng/nng.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/metrics.h"
#include "shared/net/nng_bus.h"
#include "tests/unit/waiting.h"

#define MAX_BYTES 4096

static struct nng_bus *bus;
static struct nng_server *server;
static struct nng_client *client;
static enum nng_outcome outcome;
static bool asking;

/* Takes the place of the weak one in nng_bus.c: EPIPE stays EPIPE. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return syscall(SYS_sendmsg, fd, message, flags);
}

/* What had connected to a dead listener, nng closes but never frees. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libnng.so";
}

static void on_request(void *context, struct nng_exchange *exchange, struct text request)
{
    nng_msg *msg;
    (void)context;
    (void)request;
    assert_int_equal(nng_msg_alloc(&msg, 0), 0);
    nng_reply(exchange, msg);
}

static void on_reply(void *context, enum nng_outcome outcome_in, struct text reply)
{
    (void)context;
    (void)reply;
    asking = false;
    outcome = outcome_in;
}

/* A dead listener still lets clients connect; what they ask then ends as uncertain. */
static bool is_served(void)
{
    nng_msg *msg;
    if (!asking && outcome == NNG_OUTCOME_OK)
        return true;
    if (asking)
        return false;
    asking = true;
    assert_int_equal(nng_msg_alloc(&msg, 0), 0);
    nng_request(client, msg, 1000, on_reply, NULL);
    return false;
}

static int set_up(void **state)
{
    char message[256];
    (void)state;
    log_init("test", LOG_LEVEL_ERROR);
    bus = nng_bus_create(waiting_start());
    server = nng_server_create(bus, waiting_path("ipc://", "s"), 4, MAX_BYTES, on_request, NULL,
                               message, sizeof message);
    client = nng_client_create(bus, waiting_path("ipc://", "s"), 8, MAX_BYTES);
    asking = false;
    outcome = NNG_OUTCOME_BUSY;
    return server == NULL ? -1 : 0;
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

static void touch(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    (void)connect(fd, (const struct sockaddr *)&address, sizeof address);
    close(fd);
}

/* Touches it until it has died of it and that was noticed. */
static bool has_been_made_anew(void)
{
    struct buffer metrics = BUFFER_EMPTY;
    for (int i = 0; i < 10; i++)
        touch(waiting_path("", "s"));
    metrics_render(&metrics);
    buffer_append(&metrics, "", 1);
    bool anew = strstr(metrics.data, "\nparley_bus_relistens_total 0\n") == NULL;
    buffer_deinit(&metrics);
    return anew;
}

static void a_listener_that_has_died_is_made_anew_and_serves_old_and_new_clients(void **state)
{
    (void)state;
    wait_until(is_served);
    assert_true(wait_at_most(has_been_made_anew, 6000));
    outcome = NNG_OUTCOME_BUSY;
    wait_until(is_served);
    nng_client_destroy(&client);
    client = nng_client_create(bus, waiting_path("ipc://", "s"), 8, MAX_BYTES);
    outcome = NNG_OUTCOME_BUSY;
    wait_until(is_served);
}

static void a_listener_that_lives_is_left_alone(void **state)
{
    (void)state;
    wait_until(is_served);
    for (int i = 0; i < 50; i++) { /* longer than it takes to find that one has died */
        wait_ms(100);
        assert_true(nng_client_is_connected(client));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(a_listener_that_lives_is_left_alone),
        TEST(a_listener_that_has_died_is_made_anew_and_serves_old_and_new_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
