/* The user daemon's changes: what is remembered of them for who was being authenticated meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "services/delivery/delivery_auth.h"
#include "services/delivery/delivery_inbox.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_presence.h"
#include "services/delivery/delivery_revocation.h"
#include "services/delivery/delivery_typing.h"
#include "shared/net/nng_bus.h"
#include "tests/unit/waiting.h"

#define USER    7
#define SESSION 70
#define MANY    1024 /* changes in one answer */

static struct {
    struct delivery_service service;
    rpc_callback callback; /* of the request in flight; NULL: it is answered */
    void *context;
    int64_t head; /* of the feed, as far as it was answered */
} world;

/* --- the rest of the daemon --- */

void rpc_call(struct rpc_client *client, const struct rpc_method *method, const void *request,
              int64_t deadline_ms, rpc_callback callback, void *context)
{
    (void)client, (void)request, (void)deadline_ms;
    assert_ptr_equal(method, &user_changes_method);
    assert_null(world.callback);
    world.callback = callback;
    world.context = context;
}

struct nng_subscriber *nng_subscriber_create(struct nng_bus *bus, const char *url, size_t max_bytes,
                                             nng_on_published on_published,
                                             nng_on_subscribed on_subscribed, void *context)
{
    (void)bus, (void)url, (void)max_bytes, (void)on_published;
    on_subscribed(context);
    return NULL;
}

void nng_subscriber_destroy(struct nng_subscriber **subscriber)
{
    (void)subscriber;
}

void delivery_presence_privacy(struct delivery_presence *presence, int64_t user_id, int64_t flags)
{
    (void)presence, (void)user_id, (void)flags;
}

void delivery_presence_erased(struct delivery_presence *presence, int64_t user_id)
{
    (void)presence, (void)user_id;
}

void delivery_typing_blocks_changed(struct delivery_typing *typing)
{
    (void)typing;
}

struct delivery_user *delivery_people_find(struct delivery_people *people, int64_t user_id)
{
    (void)people, (void)user_id;
    return NULL;
}

struct device *delivery_people_device(struct delivery_people *people, int64_t device_id)
{
    (void)people, (void)device_id;
    return NULL;
}

struct device *delivery_people_add(struct delivery_people *people, int64_t user_id,
                                   int64_t device_id, int64_t created_change)
{
    (void)people, (void)user_id, (void)device_id, (void)created_change;
    fail_msg("nobody is known here");
    return NULL;
}

void delivery_people_remove(struct delivery_people *people, struct device *device)
{
    (void)people, (void)device;
    fail_msg("nobody is known here");
}

void delivery_auth_end_session(struct delivery_auth *auth, struct device *device,
                               int64_t session_id)
{
    (void)auth, (void)device, (void)session_id;
    fail_msg("nobody is known here");
}

void delivery_auth_end_device(struct delivery_auth *auth, struct device *device)
{
    (void)auth, (void)device;
    fail_msg("nobody is known here");
}

void delivery_inbox_drop(struct delivery_inbox *inbox, int64_t device_id)
{
    (void)inbox, (void)device_id;
}

/* --- what the tests do --- */

static bool is_asked(void)
{
    return world.callback != NULL;
}

/* The next changes of the feed, as many as an answer has, all of one kind; or none. */
static void read_changes(enum user_change_kind kind, size_t count, int64_t user_id)
{
    struct user_change changes[MANY];
    wait_until(is_asked);
    assert_in_range(count, 0, MANY - 1);
    for (size_t i = 0; i < count; i++)
        changes[i] = (struct user_change){.offset = ++world.head,
                                          .kind = kind,
                                          .user_id = user_id,
                                          .session_id = user_id * 10,
                                          .flags = USER_HIDES_PRESENCE};
    struct user_changes_reply reply = {
        .head = world.head, .changes = changes, .changes_count = count};
    rpc_callback callback = world.callback;
    world.callback = NULL;
    callback(world.context, &(struct rpc_result){RPC_OK, PROBLEM_NONE, &reply});
}

static enum delivery_session_state session_at(int64_t valid_at)
{
    return delivery_revocation_session(world.service.revocation, SESSION, valid_at);
}

static int64_t flags_at(int64_t valid_at)
{
    return delivery_revocation_flags(world.service.revocation, USER, 0, valid_at);
}

static int begin(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.head = 100;
    delivery_settings.changes_poll_ms = 1;
    daemon_settings.run_dir = "/run";
    world.service.loop = waiting_start();
    world.service.revocation = delivery_revocation_create(&world.service);
    read_changes(USER_CHANGE_PRIVACY, 0, 0); /* where the feed is */
    return 0;
}

static int end(void **state)
{
    (void)state;
    delivery_revocation_destroy(&world.service.revocation);
    waiting_stop();
    return 0;
}

/* --- the tests --- */

static void a_session_that_ended_while_its_token_was_looked_up_has_ended(void **state)
{
    (void)state;
    read_changes(USER_CHANGE_SESSION_ENDED, 1, USER);
    assert_int_equal(session_at(100), DELIVERY_SESSION_ENDED);
    assert_int_equal(
        delivery_revocation_session(world.service.revocation, SESSION + 1, world.head - 1),
        DELIVERY_SESSION_VALID);
    assert_int_equal(session_at(101), DELIVERY_SESSION_VALID); /* the answer knew of it */
}

static void who_hid_while_their_token_was_looked_up_hides(void **state)
{
    (void)state;
    read_changes(USER_CHANGE_PRIVACY, 1, USER);
    assert_int_equal(flags_at(100), USER_HIDES_PRESENCE);
    assert_int_equal(flags_at(101), 0);
}

/* So many changes came since the answer that what it says cannot be held against them. */
static const struct {
    enum user_change_kind kind;
    size_t kept;
} memories[] = {{USER_CHANGE_SESSION_ENDED, 1024}, {USER_CHANGE_PRIVACY, 256}};

static void an_answer_older_than_what_is_remembered_counts_for_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++) {
        int64_t valid_at = world.head;
        read_changes(memories[i].kind, memories[i].kept / 2, USER + 1);
        read_changes(memories[i].kind, memories[i].kept / 2, USER + 1);
        assert_int_equal(session_at(valid_at), DELIVERY_SESSION_VALID);
        read_changes(memories[i].kind, 1, USER + 1);
        assert_int_equal(session_at(valid_at), DELIVERY_SESSION_UNKNOWN);
        assert_int_equal(session_at(valid_at + 2), DELIVERY_SESSION_VALID);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_that_ended_while_its_token_was_looked_up_has_ended),
        TEST(who_hid_while_their_token_was_looked_up_hides),
        TEST(an_answer_older_than_what_is_remembered_counts_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
