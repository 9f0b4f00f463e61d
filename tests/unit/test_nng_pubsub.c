/* Publishing and subscribing over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nng/nng.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/net/nng_bus.h"
#include "tests/unit/waiting.h"

#define MAX_BYTES    100000
#define MAX_MESSAGES 4096

static struct nng_bus *bus;
static struct nng_publisher *publisher;
static struct nng_subscriber *subscriber;
static char message[256];
static int numbers[MAX_MESSAGES];
static size_t received_count, awaited, subscribed_count;

static void on_published(void *context, struct text text)
{
    char digits[16];
    (void)context;
    snprintf(digits, sizeof digits, "%.*s", TEXT_PRINT(text));
    numbers[received_count++ % MAX_MESSAGES] = (int)strtol(digits, NULL, 10);
}

static void on_subscribed(void *context)
{
    (void)context;
    subscribed_count++;
}

static void publish(int number, size_t padding)
{
    char digits[16];
    nng_msg *msg;
    int length = snprintf(digits, sizeof digits, "%d ", number);
    if (nng_msg_alloc(&msg, (size_t)length + padding) != 0)
        abort();
    memcpy(nng_msg_body(msg), digits, (size_t)length);
    nng_publish(publisher, msg);
}

static bool start_publisher(void)
{
    publisher = nng_publisher_create(bus, waiting_path("ipc://", "p"), message, sizeof message);
    return publisher != NULL;
}

static void subscribe(void)
{
    subscriber = nng_subscriber_create(bus, waiting_path("ipc://", "p"), MAX_BYTES, on_published,
                                       on_subscribed, NULL);
}

static bool all_received(void)
{
    return received_count >= awaited;
}

static void await_messages(size_t count)
{
    awaited = count;
    wait_until(all_received);
}

static bool is_subscribed(void)
{
    return subscribed_count >= awaited;
}

static void await_subscriptions(size_t count)
{
    awaited = count;
    wait_until(is_subscribed);
}

static int set_up(void **state)
{
    (void)state;
    received_count = subscribed_count = 0;
    bus = nng_bus_create(waiting_start());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nng_subscriber_destroy(&subscriber);
    nng_publisher_destroy(&publisher);
    nng_bus_destroy(&bus);
    waiting_stop();
    return 0;
}

static void what_is_published_arrives_in_order(void **state)
{
    (void)state;
    assert_true(start_publisher());
    subscribe();
    await_subscriptions(1);
    wait_ms(50); /* the publisher's side of the connection comes a little later */
    for (int i = 0; i < 100; i++)
        publish(i, 0);
    await_messages(100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(numbers[i], i);
}

static void publishing_to_nobody_is_no_error(void **state)
{
    (void)state;
    assert_true(start_publisher());
    for (int i = 0; i < 1000; i++)
        publish(i, 0);
}

static void a_subscriber_may_come_first_and_is_told_of_each_connection(void **state)
{
    (void)state;
    subscribe();
    wait_ms(100);
    assert_int_equal(subscribed_count, 0);
    assert_true(start_publisher());
    await_subscriptions(1);
    nng_publisher_destroy(&publisher);
    wait_ms(100);
    assert_true(start_publisher());
    await_subscriptions(2);
    wait_ms(50);
    publish(7, 0);
    await_messages(1);
    assert_int_equal(numbers[0], 7);
}

static void every_subscriber_gets_everything(void **state)
{
    (void)state;
    assert_true(start_publisher());
    subscribe();
    struct nng_subscriber *second = nng_subscriber_create(
        bus, waiting_path("ipc://", "p"), MAX_BYTES, on_published, on_subscribed, NULL);
    await_subscriptions(2);
    wait_ms(50);
    publish(1, 0);
    await_messages(2);
    nng_subscriber_destroy(&second);
}

static void a_killed_subscriber_and_a_slow_one_do_not_hold_up_the_publisher(void **state)
{
    (void)state;
    assert_true(start_publisher());
    subscribe();
    pid_t stuck = start_self((const char *const[]){"stuck", waiting_path("ipc://", "p"), NULL});
    await_subscriptions(1);
    wait_ms(300);
    int64_t before_ms = clock_monotonic_ms();
    for (int i = 0; i < 2000; i++)
        publish(i, 5000); /* ten megabytes, which the stuck one does not take in */
    assert_in_range(clock_monotonic_ms() - before_ms, 0, 2000);
    kill_and_reap(&stuck);
    wait_ms(300);
    received_count = 0;
    publish(-1, 0);
    await_messages(1);
    assert_int_equal(numbers[received_count - 1], -1);
}

static void a_busy_publisher_does_not_keep_the_turn_from_ending(void **state)
{
    (void)state;
#ifdef PARLEY_VALGRIND
    skip(); /* so slow a subscriber often meets nng's own hang: destroy_parts in shared/daemon/daemon.c */
#endif
    pid_t busy = start_self((const char *const[]){"busy", waiting_path("ipc://", "p"), NULL});
    subscribe();
    await_subscriptions(1);
    received_count = 0;
    int64_t before_ms = clock_monotonic_ms();
    wait_ms(300);
    assert_in_range(clock_monotonic_ms() - before_ms, 290, 800);
    assert_in_range(received_count, 10, SIZE_MAX);
    kill_and_reap(&busy);
}

/* --- the other processes --- */

static void on_published_stop_reading(void *context, struct text text)
{
    (void)context;
    (void)text;
    pause();
}

static int be_stuck(const char *url)
{
    struct loop *loop = loop_create();
    bus = nng_bus_create(loop);
    subscriber =
        nng_subscriber_create(bus, url, MAX_BYTES, on_published_stop_reading, on_subscribed, NULL);
    loop_run(loop);
    return 0;
}

static int be_busy(const char *url)
{
    bus = nng_bus_create(loop_create());
    publisher = nng_publisher_create(bus, url, message, sizeof message);
    for (int i = 0; publisher != NULL; i++) {
        publish(i, 0);
        if (i % 64 == 0)
            usleep(100);
    }
    return 1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "stuck") == 0)
        return be_stuck(argv[2]);
    if (argc == 3 && strcmp(argv[1], "busy") == 0)
        return be_busy(argv[2]);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(what_is_published_arrives_in_order),
        TEST(publishing_to_nobody_is_no_error),
        TEST(a_subscriber_may_come_first_and_is_told_of_each_connection),
        TEST(every_subscriber_gets_everything),
        TEST(a_killed_subscriber_and_a_slow_one_do_not_hold_up_the_publisher),
        TEST(a_busy_publisher_does_not_keep_the_turn_from_ending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
