/* The scripts of the inboxes, in a Redis of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "services/delivery/delivery_inbox_scripts.h"
#include "tests/unit/waiting.h"

#define YOUNG "1" /* may have no record */
#define OLD   "0"

#define LIFE_MS "50000"

static redisContext *redis;
static pid_t server;

static redisContext *try_connect(void)
{
    redisContext *context = redisConnectUnix(waiting_path("", "r"));
    if (context != NULL && context->err == 0)
        return context;
    redisFree(context);
    return NULL;
}

static int start_server(void **state)
{
    (void)state;
    extern char **environ;
    posix_spawn_file_actions_t actions;
    waiting_start();
    const char *const argv[] = {"setpriv",
                                "--pdeathsig=KILL",
                                "redis-server",
                                "--port",
                                "0",
                                "--unixsocket",
                                waiting_path("", "r"),
                                "--save",
                                "",
                                "--dir",
                                waiting_folder(),
                                NULL};
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    int failed = posix_spawnp(&server, argv[0], &actions, NULL, (char **)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 200 && failed == 0 && redis == NULL; i++, usleep(25000))
        redis = try_connect();
    return redis == NULL;
}

static int stop_server(void **state)
{
    (void)state;
    redisFree(redis);
    kill_and_reap(&server);
    waiting_stop();
    return 0;
}

/* --- calls --- */

static void command(const char *line)
{
    redisReply *reply = redisCommand(redis, line);
    assert_non_null(reply);
    assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
}

static int set_up(void **state)
{
    (void)state;
    command("FLUSHALL");
    command("SET p:epoch:0 77");
    command("SET p:owner:0 5");
    return 0;
}

/* A script for device 1; `words` after epoch and owner. The reply is the caller's. */
static redisReply *call(enum delivery_script script, const char *epoch, const char *owner,
                        const char **words, const size_t *lengths, size_t count)
{
    const char *all[64] = {"EVAL",      delivery_script_text(script),
                           "4",         "p:{1}:l",
                           "p:{1}:r",   "p:epoch:0",
                           "p:owner:0", epoch,
                           owner};
    size_t all_lengths[64];
    for (size_t i = 0; i < 9; i++)
        all_lengths[i] = strlen(all[i]);
    for (size_t i = 0; i < count; i++) {
        all[9 + i] = words[i];
        all_lengths[9 + i] = lengths == NULL ? strlen(words[i]) : lengths[i];
    }
    redisReply *reply = redisCommandArgv(redis, (int)(9 + count), all, all_lengths);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s", reply->str);
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    return reply;
}

static int64_t status_of(redisReply *reply, int64_t *value_out)
{
    int64_t status = reply->element[0]->integer;
    if (value_out != NULL)
        *value_out = reply->element[1]->integer;
    freeReplyObject(reply);
    return status;
}

/* Parks events 1 to n of one chat, at these offsets of partition 3. */
static int64_t push(const char *young, const char *max, const int64_t *offsets, size_t count,
                    int64_t *added_out)
{
    static char refs[32][28];
    const char *words[35] = {young, max, LIFE_MS};
    size_t lengths[35] = {strlen(young), strlen(max), strlen(LIFE_MS)};
    for (size_t i = 0; i < count; i++) {
        uint32_t partition = htobe32(3);
        uint64_t numbers[3] = {htobe64((uint64_t)offsets[i]), htobe64(9),
                               htobe64((uint64_t)offsets[i])};
        memcpy(refs[i], &partition, 4);
        memcpy(refs[i] + 4, numbers, sizeof numbers);
        words[3 + i] = refs[i];
        lengths[3 + i] = sizeof refs[i];
    }
    return status_of(call(DELIVERY_SCRIPT_PUSH, "77", "5", words, lengths, 3 + count), added_out);
}

static int64_t push_some(const char *young)
{
    int64_t added = 0;
    return push(young, "100", (int64_t[]){10, 11, 12}, 3, &added);
}

static int64_t simple(enum delivery_script script, const char *young, const char *a, const char *b,
                      int64_t *value_out)
{
    const char *words[] = {young, a, b};
    size_t count = a == NULL ? 1 : b == NULL ? 2 : 3;
    return status_of(call(script, "77", "5", words, NULL, count), value_out);
}

static int64_t open_length(const char *young)
{
    int64_t length = -1;
    assert_int_equal(simple(DELIVERY_SCRIPT_OPEN, young, NULL, NULL, &length), DELIVERY_STATUS_OK);
    return length;
}

/* --- tests --- */

static void references_come_back_in_the_order_in_which_they_were_parked(void **state)
{
    (void)state;
    assert_int_equal(push_some(YOUNG), DELIVERY_STATUS_OK);
    const char *words[] = {OLD, "1", "5"};
    redisReply *reply = call(DELIVERY_SCRIPT_READ, "77", "5", words, NULL, 3);
    assert_int_equal(reply->element[2]->elements, 2);
    for (size_t i = 0; i < 2; i++) {
        uint64_t numbers[2];
        assert_int_equal(reply->element[2]->element[i]->len, sizeof numbers);
        memcpy(numbers, reply->element[2]->element[i]->str, sizeof numbers);
        assert_int_equal(be64toh(numbers[0]), 9);
        assert_int_equal(be64toh(numbers[1]), 11 + i);
    }
    freeReplyObject(reply);
}

static void what_is_parked_again_is_passed_over(void **state)
{
    (void)state;
    int64_t added = -1;
    push_some(YOUNG);
    assert_int_equal(push(OLD, "100", (int64_t[]){11, 12, 13}, 3, &added), DELIVERY_STATUS_OK);
    assert_int_equal(added, 1);
    assert_int_equal(open_length(OLD), 4);
}

static void what_was_trimmed_does_not_come_back_when_the_feed_is_read_again(void **state)
{
    (void)state;
    int64_t left = -1;
    push_some(YOUNG);
    assert_int_equal(simple(DELIVERY_SCRIPT_TRIM, OLD, "2", LIFE_MS, &left), DELIVERY_STATUS_OK);
    assert_int_equal(left, 1);
    push_some(OLD);
    assert_int_equal(open_length(OLD), 1);
    assert_int_equal(simple(DELIVERY_SCRIPT_TRIM, OLD, "9", LIFE_MS, &left), DELIVERY_STATUS_OK);
    assert_int_equal(left, 0);
    assert_int_equal(open_length(OLD), 0);
}

static void an_inbox_that_overflows_is_emptied_and_stays_so_until_it_is_cleared(void **state)
{
    (void)state;
    int64_t added = 0;
    push_some(YOUNG);
    assert_int_equal(push(OLD, "4", (int64_t[]){13, 14}, 2, &added), DELIVERY_STATUS_RESYNC);
    assert_int_equal(push(OLD, "4", (int64_t[]){15}, 1, &added), DELIVERY_STATUS_RESYNC);
    assert_int_equal(simple(DELIVERY_SCRIPT_OPEN, OLD, NULL, NULL, NULL), DELIVERY_STATUS_RESYNC);
    assert_int_equal(simple(DELIVERY_SCRIPT_CLEAR, OLD, NULL, NULL, NULL), DELIVERY_STATUS_OK);
    assert_int_equal(open_length(OLD), 0);
    assert_int_equal(push(OLD, "4", (int64_t[]){16}, 1, &added), DELIVERY_STATUS_OK);
    assert_int_equal(open_length(OLD), 1);
}

static int64_t ask_number(const char *line)
{
    redisReply *reply = redisCommand(redis, line);
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
    int64_t number = reply->integer;
    freeReplyObject(reply);
    return number;
}

static void a_list_lives_so_long_from_its_first_entry_whatever_comes_behind_it(void **state)
{
    (void)state;
    int64_t added = 0;
    push_some(YOUNG);
    assert_in_range(ask_number("PTTL p:{1}:l"), 40000, 50000);
    assert_int_equal(ask_number("PTTL p:{1}:r"), -1);
    command("PEXPIRE p:{1}:l 20000");
    assert_int_equal(push(OLD, "100", (int64_t[]){13}, 1, &added), DELIVERY_STATUS_OK);
    assert_in_range(ask_number("PTTL p:{1}:l"), 10000, 20000);
}

static void a_list_of_which_something_was_acknowledged_lives_as_long_again(void **state)
{
    (void)state;
    push_some(YOUNG);
    command("PEXPIRE p:{1}:l 20000");
    assert_int_equal(simple(DELIVERY_SCRIPT_TRIM, OLD, "1", LIFE_MS, NULL), DELIVERY_STATUS_OK);
    assert_in_range(ask_number("PTTL p:{1}:l"), 40000, 50000);
}

static void a_list_from_before_lists_had_an_end_is_given_one(void **state)
{
    (void)state;
    int64_t added = 0;
    push_some(YOUNG);
    command("PERSIST p:{1}:l");
    assert_int_equal(push(OLD, "100", (int64_t[]){13}, 1, &added), DELIVERY_STATUS_OK);
    assert_in_range(ask_number("PTTL p:{1}:l"), 40000, 50000);
}

static void an_inbox_whose_time_is_over_must_resync_until_it_is_cleared(void **state)
{
    (void)state;
    int64_t added = 0;
    push_some(YOUNG);
    command("PEXPIRE p:{1}:l 0");
    assert_int_equal(ask_number("EXISTS p:{1}:l"), 0);
    assert_int_equal(push(YOUNG, "100", (int64_t[]){13}, 1, &added), DELIVERY_STATUS_RESYNC);
    assert_int_equal(simple(DELIVERY_SCRIPT_OPEN, YOUNG, NULL, NULL, NULL), DELIVERY_STATUS_RESYNC);
    assert_int_equal(simple(DELIVERY_SCRIPT_CLEAR, OLD, "0", NULL, NULL), DELIVERY_STATUS_OK);
    assert_int_equal(push(OLD, "100", (int64_t[]){14}, 1, &added), DELIVERY_STATUS_OK);
    assert_int_equal(open_length(OLD), 1);
    assert_in_range(ask_number("PTTL p:{1}:l"), 40000, 50000);
}

static void a_young_device_without_a_record_begins_empty(void **state)
{
    (void)state;
    assert_int_equal(open_length(YOUNG), 0);
}

static void an_old_device_without_a_record_must_resync(void **state)
{
    (void)state;
    assert_int_equal(push_some(OLD), DELIVERY_STATUS_RESYNC);
    assert_int_equal(simple(DELIVERY_SCRIPT_OPEN, OLD, NULL, NULL, NULL), DELIVERY_STATUS_RESYNC);
}

static void a_record_of_another_epoch_counts_as_none(void **state)
{
    (void)state;
    push_some(YOUNG);
    command("HSET p:{1}:r e 76");
    assert_int_equal(simple(DELIVERY_SCRIPT_OPEN, OLD, NULL, NULL, NULL), DELIVERY_STATUS_RESYNC);
}

static void an_inbox_whose_list_was_evicted_must_resync(void **state)
{
    (void)state;
    push_some(YOUNG);
    command("DEL p:{1}:l");
    assert_int_equal(simple(DELIVERY_SCRIPT_OPEN, YOUNG, NULL, NULL, NULL), DELIVERY_STATUS_RESYNC);
}

static void an_inbox_whose_record_was_evicted_must_resync(void **state)
{
    (void)state;
    push_some(YOUNG);
    command("DEL p:{1}:r");
    assert_int_equal(simple(DELIVERY_SCRIPT_OPEN, YOUNG, NULL, NULL, NULL), DELIVERY_STATUS_RESYNC);
}

static void a_marked_inbox_is_empty_and_must_resync(void **state)
{
    (void)state;
    push_some(YOUNG);
    assert_int_equal(simple(DELIVERY_SCRIPT_MARK, OLD, NULL, NULL, NULL), DELIVERY_STATUS_OK);
    assert_int_equal(simple(DELIVERY_SCRIPT_OPEN, OLD, NULL, NULL, NULL), DELIVERY_STATUS_RESYNC);
}

static void a_resync_that_was_not_heard_is_said_again_and_parking_goes_on_meanwhile(void **state)
{
    (void)state;
    push_some(YOUNG);
    assert_int_equal(simple(DELIVERY_SCRIPT_CLEAR, OLD, "1", NULL, NULL), DELIVERY_STATUS_OK);
    assert_int_equal(push_some(OLD), DELIVERY_STATUS_OK);
    assert_int_equal(simple(DELIVERY_SCRIPT_OPEN, OLD, NULL, NULL, NULL), DELIVERY_STATUS_RESYNC);
    assert_int_equal(simple(DELIVERY_SCRIPT_CONFIRM, OLD, NULL, NULL, NULL), DELIVERY_STATUS_OK);
    assert_int_equal(open_length(OLD), 3);
}

static void every_device_script_refuses_another_epoch_and_an_older_owner(void **state)
{
    (void)state;
    const char *words[] = {YOUNG, "1", "1"};
    size_t count = 3; /* to a push the last is a life, without a reference */
    for (int script = DELIVERY_SCRIPT_PUSH; script < DELIVERY_SCRIPT_COUNT; script++) {
        assert_int_equal(
            status_of(call((enum delivery_script)script, "78", "5", words, NULL, count), NULL),
            DELIVERY_STATUS_WIPED);
        assert_int_equal(
            status_of(call((enum delivery_script)script, "77", "4", words, NULL, count), NULL),
            DELIVERY_STATUS_FENCED);
        assert_int_equal(
            status_of(call((enum delivery_script)script, "77", "6", words, NULL, count), NULL),
            DELIVERY_STATUS_OK);
        set_up(NULL);
    }
}

/* --- looking into an inbox --- */

struct look {
    int64_t is_lost, place, is_unheard;
};

static struct look look_for(const char *young, int64_t seq)
{
    uint64_t numbers[2] = {htobe64(9), htobe64((uint64_t)seq)};
    const char *words[] = {young, (const char *)numbers};
    size_t lengths[] = {strlen(young), sizeof numbers};
    redisReply *reply = call(DELIVERY_SCRIPT_TRACE, "77", "5", words, lengths, 2);
    assert_int_equal(reply->elements, 4);
    assert_int_equal(reply->element[0]->integer, DELIVERY_STATUS_OK);
    struct look look = {reply->element[1]->integer, reply->element[2]->integer,
                        reply->element[3]->integer};
    freeReplyObject(reply);
    return look;
}

static void assert_look(const char *young, int64_t seq, struct look want)
{
    struct look look = look_for(young, seq);
    assert_int_equal(look.is_lost, want.is_lost);
    assert_int_equal(look.place, want.place);
    assert_int_equal(look.is_unheard, want.is_unheard);
}

static void a_look_tells_the_place_of_an_event(void **state)
{
    (void)state;
    push_some(YOUNG);
    assert_look(OLD, 10, (struct look){0, 1, 0});
    assert_look(OLD, 12, (struct look){0, 3, 0});
    assert_look(OLD, 13, (struct look){0, 0, 0});
    simple(DELIVERY_SCRIPT_TRIM, OLD, "2", LIFE_MS, NULL);
    assert_look(OLD, 10, (struct look){0, 0, 0});
    assert_look(OLD, 12, (struct look){0, 1, 0});
}

static void a_look_tells_that_an_inbox_is_lost_or_was_not_heard(void **state)
{
    (void)state;
    assert_look(YOUNG, 10, (struct look){0, 0, 0});
    assert_look(OLD, 10, (struct look){1, 0, 0});
    push_some(YOUNG);
    simple(DELIVERY_SCRIPT_CLEAR, OLD, "1", NULL, NULL);
    push_some(OLD);
    assert_look(OLD, 11, (struct look){0, 2, 1});
    command("DEL p:{1}:l");
    assert_look(YOUNG, 11, (struct look){1, 0, 0});
    simple(DELIVERY_SCRIPT_MARK, OLD, NULL, NULL, NULL);
    assert_look(YOUNG, 11, (struct look){1, 0, 0});
}

static void a_look_writes_nothing(void **state)
{
    (void)state;
    look_for(OLD, 10);
    redisReply *reply = redisCommand(redis, "DBSIZE");
    assert_int_equal(reply->integer, 2); /* epoch and owner */
    freeReplyObject(reply);
    push_some(YOUNG);
    command("DEL p:{1}:l");
    look_for(OLD, 10);
    reply = redisCommand(redis, "HGET p:{1}:r x");
    assert_int_equal(reply->type, REDIS_REPLY_NIL);
    freeReplyObject(reply);
}

static redisReply *shard_call(enum delivery_script script, const char *owner, const char *a,
                              const char *b)
{
    const char *all[] = {"EVAL",      delivery_script_text(script),
                         "3",         "p:epoch:0",
                         "p:owner:0", "p:parked:0",
                         "77",        owner,
                         a,           b};
    redisReply *reply = redisCommandArgv(redis, a == NULL ? 8 : 10, all, NULL);
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    return reply;
}

static void a_hello_takes_over_and_tells_epoch_and_what_is_parked(void **state)
{
    (void)state;
    assert_int_equal(status_of(shard_call(DELIVERY_SCRIPT_PARKED, "5", "3", "12"), NULL),
                     DELIVERY_STATUS_OK);
    redisReply *hello = shard_call(DELIVERY_SCRIPT_HELLO, "6", NULL, NULL);
    assert_int_equal(hello->element[0]->integer, DELIVERY_STATUS_OK);
    assert_string_equal(hello->element[1]->str, "77");
    assert_string_equal(hello->element[2]->element[0]->str, "3");
    assert_string_equal(hello->element[2]->element[1]->str, "12");
    freeReplyObject(hello);
    assert_int_equal(status_of(shard_call(DELIVERY_SCRIPT_HELLO, "5", NULL, NULL), NULL),
                     DELIVERY_STATUS_FENCED);
    assert_int_equal(status_of(shard_call(DELIVERY_SCRIPT_PARKED, "5", "3", "13"), NULL),
                     DELIVERY_STATUS_FENCED);
}

static void a_new_epoch_begins_with_the_offsets_that_it_is_given(void **state)
{
    (void)state;
    command("FLUSHALL");
    assert_int_equal(status_of(shard_call(DELIVERY_SCRIPT_PARKED, "5", "3", "12"), NULL),
                     DELIVERY_STATUS_WIPED);
    assert_int_equal(status_of(shard_call(DELIVERY_SCRIPT_FOUND, "5", "3", "12"), NULL),
                     DELIVERY_STATUS_OK);
    redisReply *hello = shard_call(DELIVERY_SCRIPT_HELLO, "5", NULL, NULL);
    assert_string_equal(hello->element[1]->str, "77");
    assert_string_equal(hello->element[2]->element[1]->str, "12");
    freeReplyObject(hello);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(references_come_back_in_the_order_in_which_they_were_parked),
        TEST(what_is_parked_again_is_passed_over),
        TEST(what_was_trimmed_does_not_come_back_when_the_feed_is_read_again),
        TEST(an_inbox_that_overflows_is_emptied_and_stays_so_until_it_is_cleared),
        TEST(a_list_lives_so_long_from_its_first_entry_whatever_comes_behind_it),
        TEST(a_list_of_which_something_was_acknowledged_lives_as_long_again),
        TEST(a_list_from_before_lists_had_an_end_is_given_one),
        TEST(an_inbox_whose_time_is_over_must_resync_until_it_is_cleared),
        TEST(a_young_device_without_a_record_begins_empty),
        TEST(an_old_device_without_a_record_must_resync),
        TEST(a_record_of_another_epoch_counts_as_none),
        TEST(an_inbox_whose_list_was_evicted_must_resync),
        TEST(an_inbox_whose_record_was_evicted_must_resync),
        TEST(a_marked_inbox_is_empty_and_must_resync),
        TEST(a_resync_that_was_not_heard_is_said_again_and_parking_goes_on_meanwhile),
        TEST(every_device_script_refuses_another_epoch_and_an_older_owner),
        TEST(a_look_tells_the_place_of_an_event),
        TEST(a_look_tells_that_an_inbox_is_lost_or_was_not_heard),
        TEST(a_look_writes_nothing),
        TEST(a_hello_takes_over_and_tells_epoch_and_what_is_parked),
        TEST(a_new_epoch_begins_with_the_offsets_that_it_is_given),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
