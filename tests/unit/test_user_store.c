/* The store and the functions of the schema `users`, against a Postgres of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "services/user/user_settings.h"
#include "services/user/user_store.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"

#define PHONE  101
#define TABLET 102
#define LAPTOP 103

static char folder[] = "/tmp/parley-store-XXXXXX";
static char conninfo[128];
static struct loop *loop;
static struct loop_timer *poll_timer;
static struct user_store *store;

/* --- Postgres --- */

/* As root it runs as `postgres`, which Postgres wants; without fsync, for it is gone in a moment. */
static const char start_script[] =
    "set -e; as=; if [ \"$(id -u)\" = 0 ]; then chown postgres %1$s; "
    "as='setpriv --reuid=postgres --regid=postgres --init-groups'; fi; chmod 711 %1$s; "
    "bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1); here=$PWD; cd /; "
    "$as $bin/initdb -D %1$s/data -U postgres -A trust -N --locale=C.UTF-8 -E UTF8 >/dev/null; "
    "$as $bin/pg_ctl -D %1$s/data -l %1$s/log -w -o \"-F -h '' -k %1$s\" start >/dev/null; "
    "psql -qX -h %1$s -U postgres -c 'create role parley_user login' "
    "-c 'create role parley_metadata login' postgres; "
    "for file in 0001_users 0002_metadata 0012_privacy_and_devices; do "
    "psql -qX1 -v ON_ERROR_STOP=1 -h %1$s -U postgres -f \"$here/sql/$file.sql\" postgres; done";
static const char stop_script[] =
    "as=; if [ \"$(id -u)\" = 0 ]; then "
    "as='setpriv --reuid=postgres --regid=postgres --init-groups'; fi; cd /; "
    "bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1); "
    "$as $bin/pg_ctl -D %1$s/data -m immediate stop >/dev/null; rm -rf %1$s";
static const char clear_script[] =
    "PGOPTIONS='-c client_min_messages=warning' psql -qX -h %1$s -U postgres "
    "-c 'truncate users.account, users.change cascade' "
    "-c 'update users.change_head set head = 0' postgres";

static void run_script(const char *script)
{
    char command[2048];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(command, sizeof command, script, folder);
#pragma GCC diagnostic pop
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

static void on_poll(void *context)
{
    (void)context;
    loop_stop(loop);
}

static int start_all(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    run_script(start_script);
    snprintf(conninfo, sizeof conninfo, "host=%s dbname=postgres", folder);
    daemon_settings.postgres = conninfo;
    daemon_settings.postgres_user = "parley_user";
    daemon_settings.postgres_password_file = "";
    daemon_settings.statement_timeout_ms = 5000;
    user_settings.max_store_units = 1000;
    limits.max_devices_per_user = 2;
    limits.max_blocks_per_user = 2;
    loop = loop_create();
    poll_timer = loop_timer_create(loop, on_poll, NULL);
    store = user_store_create(loop);
    for (int i = 0; i < 500 && !user_store_is_ready(store); i++) {
        loop_timer_start(poll_timer, 20);
        loop_run(loop);
    }
    assert_true(user_store_is_ready(store));
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    user_store_destroy(&store);
    loop_timer_destroy(&poll_timer);
    loop_destroy(&loop);
    run_script(stop_script);
    return 0;
}

/* --- questions, one at a time --- */

static int waiting;

static struct {
    enum problem problem;
    int64_t head;
    size_t count;
    int64_t ids[64], created_at_ms[64], named[64];
    size_t named_count;
    char text[256];
    struct user_identity identities[8];
    struct user_change changes[64];
    struct user_own_device devices[8];
    int64_t flags;
    bool flag;
} got;

static void begin(void)
{
    memset(&got, 0, sizeof got);
    waiting = 1;
}

static void await(void)
{
    int64_t give_up_ms = clock_monotonic_ms() + 10000;
    while (waiting > 0 && clock_monotonic_ms() < give_up_ms) {
        loop_timer_start(poll_timer, 1000);
        loop_run(loop);
    }
    assert_int_equal(waiting, 0);
}

static void done(enum problem problem)
{
    if (problem != PROBLEM_NONE)
        got.problem = problem;
    if (--waiting == 0)
        loop_stop(loop);
}

static void on_done(void *context, enum problem problem)
{
    (void)context;
    done(problem);
}

static void on_head(void *context, enum problem problem, int64_t head)
{
    (void)context;
    if (head > got.head)
        got.head = head;
    done(problem);
}

static void keep_text(struct text text)
{
    snprintf(got.text, sizeof got.text, "%.*s", TEXT_PRINT(text));
}

static void on_account(void *context, enum problem problem, const struct user_account *account)
{
    (void)context;
    if (account != NULL) {
        keep_text(account->display_name);
        got.flag = account->avatar.data != NULL;
    }
    done(problem);
}

static void on_updated(void *context, enum problem problem, const struct user_account *account,
                       int64_t head)
{
    got.head = head;
    if (account != NULL)
        got.flags = account->flags;
    on_account(context, problem, account);
}

static void on_accounts(void *context, enum problem problem, const struct user_account *accounts,
                        size_t count)
{
    (void)context;
    got.count = count;
    for (size_t i = 0; i < count; i++)
        got.ids[i] = accounts[i].user_id;
    done(problem);
}

static void on_credentials(void *context, enum problem problem,
                           const struct user_credentials *credentials)
{
    (void)context;
    if (credentials != NULL) {
        keep_text(credentials->password_hash);
        got.flag = credentials->owns_device;
    }
    done(problem);
}

static void on_logged_in(void *context, enum problem problem,
                         const struct user_logged_in *logged_in)
{
    (void)context;
    if (logged_in != NULL) {
        keep_text(logged_in->device_name);
        got.ids[0] = logged_in->device_id;
        got.head = logged_in->head;
    }
    done(problem);
}

static void on_sessions(void *context, enum problem problem, const struct user_session *sessions,
                        size_t count)
{
    (void)context;
    got.count = count;
    for (size_t i = 0; i < count; i++)
        got.ids[i] = sessions[i].session_id;
    got.head = count > 0 ? sessions[0].last_used_at_ms : 0;
    done(problem);
}

static void on_devices_listed(void *context, enum problem problem,
                              const struct user_own_device *devices, size_t count)
{
    (void)context;
    got.count = count;
    for (size_t i = 0; i < count; i++)
        got.devices[i] = devices[i];
    done(problem);
}

static void on_device(void *context, enum problem problem, const struct user_own_device *device)
{
    (void)context;
    if (device != NULL) {
        got.devices[0] = *device;
        keep_text(device->name);
    }
    done(problem);
}

static void on_token_owners(void *context, enum problem problem,
                            const struct user_token_owner *owners, size_t count, int64_t head)
{
    (void)context;
    got.count = count;
    got.head = head;
    for (size_t i = 0; i < count; i++)
        got.identities[i] = owners[i].identity;
    done(problem);
}

static void on_blocks(void *context, enum problem problem, const struct user_block *blocks,
                      size_t count)
{
    (void)context;
    got.count = count;
    for (size_t i = 0; i < count; i++)
        got.ids[i] = blocks[i].other_id;
    done(problem);
}

static void on_changes(void *context, enum problem problem, const struct user_changes_reply *reply)
{
    (void)context;
    got.count = reply->changes_count;
    got.head = reply->head;
    for (size_t i = 0; i < reply->changes_count; i++)
        got.changes[i] = reply->changes[i];
    done(problem);
}

static void on_devices(void *context, enum problem problem, const struct user_devices_reply *reply)
{
    (void)context;
    got.count = reply->devices_count;
    got.head = reply->changes_head;
    got.named_count = 0;
    for (size_t i = 0; i < reply->devices_count; i++) {
        got.ids[i] = reply->devices[i].device_id;
        got.created_at_ms[i] = reply->devices[i].created_at_ms;
        if (reply->devices[i].name.data != NULL)
            got.named[got.named_count++] = reply->devices[i].user_id;
    }
    done(problem);
}

static void on_existing(void *context, enum problem problem,
                        const struct user_existing_reply *reply)
{
    (void)context;
    got.count = reply->users_count;
    for (size_t i = 0; i < reply->users_count; i++)
        got.ids[i] = reply->users[i];
    done(problem);
}

static void on_pair(void *context, enum problem problem, const struct user_blocks_reply *reply)
{
    (void)context;
    got.ids[0] = reply->user_blocks_other;
    got.ids[1] = reply->other_blocks_user;
    done(problem);
}

static void on_swept(void *context, enum problem problem, int64_t swept, int64_t head)
{
    (void)context;
    got.count = (size_t)swept;
    got.head = head;
    done(problem);
}

static enum problem register_as(int64_t user_id, const char *username)
{
    struct user_account account = {.user_id = user_id,
                                   .username = text_of(username),
                                   .display_name = text_of(username),
                                   .created_at_ms = 1};
    begin();
    user_store_register(store, &account, TEXT_LITERAL("hash"), on_done, NULL);
    await();
    return got.problem;
}

/* The token's hash is thirty-two times the session's id. */
static struct text hash_of(int64_t session_id)
{
    static char bytes[256][32];
    memset(bytes[session_id], (int)session_id, 32);
    return (struct text){bytes[session_id], 32};
}

static enum problem log_in(int64_t user_id, int64_t known_device, int64_t new_device,
                           int64_t session_id, int64_t lives_ms)
{
    int64_t now_ms = clock_wall_ms();
    struct user_login login = {.user_id = user_id,
                               .password_hash = TEXT_LITERAL("hash"),
                               .device_id = known_device,
                               .new_device_id = new_device,
                               .device_name = TEXT_NONE,
                               .session_id = session_id,
                               .token_hash = hash_of(session_id),
                               .now_ms = now_ms,
                               .expires_at_ms = now_ms + lives_ms};
    begin();
    user_store_login(store, &login, on_logged_in, NULL);
    await();
    return got.problem;
}

static int64_t owner_of(int64_t session_id)
{
    struct text hash = hash_of(session_id);
    begin();
    user_store_token_owners(store, &hash, 1, on_token_owners, NULL);
    await();
    assert_int_equal(got.problem, PROBLEM_NONE);
    assert_int_equal(got.count, 1);
    return got.identities[0].user_id;
}

static void read_changes(int64_t after)
{
    begin();
    user_store_changes(store, after, 64, on_changes, NULL);
    await();
    assert_int_equal(got.problem, PROBLEM_NONE);
}

static void assert_change(size_t index, enum user_change_kind kind, int64_t user_id,
                          int64_t device_id, int64_t session_id, int64_t other_id)
{
    assert_in_range(index + 1, 1, got.count);
    assert_int_equal(got.changes[index].kind, kind);
    assert_int_equal(got.changes[index].user_id, user_id);
    assert_int_equal(got.changes[index].device_id, device_id);
    assert_int_equal(got.changes[index].session_id, session_id);
    assert_int_equal(got.changes[index].other_id, other_id);
}

/* Before each test: nobody but ann (1) and bob (2), and an empty feed. */
static int start_with_ann_and_bob(void **state)
{
    (void)state;
    run_script(clear_script);
    assert_int_equal(register_as(1, "ann"), PROBLEM_NONE);
    assert_int_equal(register_as(2, "bob"), PROBLEM_NONE);
    return 0;
}

/* --- accounts --- */

static void a_username_belongs_to_one_account(void **state)
{
    (void)state;
    assert_int_equal(register_as(3, "ann"), PROBLEM_USERNAME_TAKEN);
    begin();
    user_store_account(store, 3, on_account, NULL);
    await();
    assert_int_equal(got.problem, PROBLEM_NOT_FOUND);
}

static void a_profile_changes_only_where_it_is_told_to(void **state)
{
    (void)state;
    struct user_profile_change avatar = {.set_avatar = true, .avatar = TEXT_LITERAL("a.png")};
    struct user_profile_change name = {.display_name = TEXT_LITERAL("Ann B.")};
    struct user_profile_change no_avatar = {.set_avatar = true};
    begin();
    user_store_update(store, 1, &avatar, on_updated, NULL);
    await();
    assert_string_equal(got.text, "ann");
    assert_true(got.flag);
    begin();
    user_store_update(store, 1, &name, on_updated, NULL);
    await();
    assert_string_equal(got.text, "Ann B.");
    assert_true(got.flag);
    begin();
    user_store_update(store, 1, &no_avatar, on_updated, NULL);
    await();
    assert_string_equal(got.text, "Ann B.");
    assert_false(got.flag);
}

static void set_flags(int64_t user_id, int64_t which, int64_t flags)
{
    struct user_profile_change change = {.set_flags = which, .flags = flags};
    begin();
    user_store_update(store, user_id, &change, on_updated, NULL);
    await();
}

static void what_a_user_hides_is_set_bit_by_bit_and_told_in_the_feed_when_it_changes(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 1000000);
    set_flags(1, USER_HIDES_PRESENCE, USER_HIDES_PRESENCE);
    assert_int_equal(got.flags, USER_HIDES_PRESENCE);
    assert_int_equal(got.head, 2);
    set_flags(1, USER_HIDES_READS, USER_HIDES_READS | USER_HIDES_PRESENCE);
    assert_int_equal(got.flags, USER_HIDES_READS | USER_HIDES_PRESENCE);
    assert_int_equal(got.head, 3);
    set_flags(1, USER_HIDES_PRESENCE, 0);
    assert_int_equal(got.flags, USER_HIDES_READS);
    set_flags(1, USER_HIDES_READS, USER_HIDES_READS);
    assert_int_equal(got.flags, USER_HIDES_READS);
    assert_int_equal(got.head, 0);
    read_changes(1);
    assert_int_equal(got.count, 3);
    const int64_t flags[] = {USER_HIDES_PRESENCE, USER_HIDES_READS | USER_HIDES_PRESENCE,
                             USER_HIDES_READS};
    for (size_t i = 0; i < 3; i++) {
        assert_change(i, USER_CHANGE_PRIVACY, 1, 0, 0, 0);
        assert_int_equal(got.changes[i].flags, flags[i]);
    }
}

static void a_token_says_what_its_user_hides(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 1000000);
    log_in(2, 0, TABLET, 12, 1000000);
    set_flags(1, USER_HIDES_READS, USER_HIDES_READS);
    assert_int_equal(owner_of(11), 1);
    assert_int_equal(got.identities[0].flags, USER_HIDES_READS);
    assert_int_equal(owner_of(12), 2);
    assert_int_equal(got.identities[0].flags, 0);
}

static void nothing_is_set_for_an_erased_account(void **state)
{
    (void)state;
    begin();
    user_store_erase(store, 1, on_head, NULL);
    await();
    set_flags(1, USER_HIDES_READS, USER_HIDES_READS);
    assert_int_equal(got.problem, PROBLEM_NOT_FOUND);
    read_changes(0);
    assert_int_equal(got.count, 1);
}

static void search_finds_by_prefix_in_order_and_goes_on_behind_a_name(void **state)
{
    (void)state;
    const char *const names[] = {"anna", "anne", "an_", "an-", "an.z", "zoe", "a"};
    for (int i = 0; i < 7; i++)
        assert_int_equal(register_as(10 + i, names[i]), PROBLEM_NONE);
    begin();
    user_store_search(store, TEXT_LITERAL("an"), TEXT_NONE, 4, on_accounts, NULL);
    await();
    const int64_t first[] = {13, 14, 12, 1}; /* an- an.z an_ ann */
    assert_int_equal(got.count, 4);
    assert_memory_equal(got.ids, first, sizeof first);
    begin();
    user_store_search(store, TEXT_LITERAL("an"), TEXT_LITERAL("ann"), 4, on_accounts, NULL);
    await();
    assert_int_equal(got.count, 2);
    assert_int_equal(got.ids[0], 10);
    assert_int_equal(got.ids[1], 11);
}

static void an_erased_account_leaves_its_id_and_nothing_else(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 1000000);
    begin();
    user_store_put_block(store, 2, 1, on_head, NULL);
    await();
    begin();
    user_store_erase(store, 1, on_head, NULL);
    await();
    assert_int_equal(got.problem, PROBLEM_NONE);
    assert_int_equal(got.head, 5);
    assert_int_equal(owner_of(11), 0);
    read_changes(2);
    assert_int_equal(got.count, 3);
    assert_change(0, USER_CHANGE_SESSION_ENDED, 1, PHONE, 11, 0);
    assert_change(1, USER_CHANGE_DEVICE_REMOVED, 1, PHONE, 0, 0);
    assert_change(2, USER_CHANGE_ERASED, 1, 0, 0, 0);
    begin();
    user_store_blocks(store, 2, (struct user_position){INT64_MAX, INT64_MAX}, 9, on_blocks, NULL);
    await();
    assert_int_equal(got.count, 0);
    begin();
    user_store_existing(store, (int64_t[]){1, 2, 3}, 3, on_existing, NULL);
    await();
    assert_int_equal(got.count, 1);
    assert_int_equal(got.ids[0], 2);
    assert_int_equal(register_as(1, "ann2"), PROBLEM_INTERNAL); /* an id is never given again */
    assert_int_equal(register_as(3, "ann"), PROBLEM_NONE);
}

/* --- logging in --- */

static void credentials_tell_whose_device_it_is(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 1000000);
    begin();
    user_store_credentials(store, TEXT_LITERAL("ann"), PHONE, on_credentials, NULL);
    await();
    assert_string_equal(got.text, "hash");
    assert_true(got.flag);
    begin();
    user_store_credentials(store, TEXT_LITERAL("bob"), PHONE, on_credentials, NULL);
    await();
    assert_false(got.flag);
    begin();
    user_store_credentials(store, TEXT_LITERAL("eve"), PHONE, on_credentials, NULL);
    await();
    assert_int_equal(got.problem, PROBLEM_NOT_FOUND);
}

static void logging_a_device_in_again_ends_its_former_session(void **state)
{
    (void)state;
    assert_int_equal(log_in(1, 0, PHONE, 11, 1000000), PROBLEM_NONE);
    assert_int_equal(log_in(1, PHONE, 0, 12, 1000000), PROBLEM_NONE);
    assert_int_equal(got.ids[0], PHONE);
    assert_int_equal(owner_of(11), 0);
    assert_int_equal(owner_of(12), 1);
    assert_int_equal(got.identities[0].created_change, 1);
    read_changes(0);
    assert_int_equal(got.count, 2);
    assert_change(0, USER_CHANGE_DEVICE_ADDED, 1, PHONE, 0, 0);
    assert_change(1, USER_CHANGE_SESSION_ENDED, 1, PHONE, 11, 0);
}

static void anothers_device_is_not_found_and_ends_nothing(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 1000000);
    assert_int_equal(log_in(2, PHONE, 0, 12, 1000000), PROBLEM_NOT_FOUND);
    assert_int_equal(owner_of(11), 1);
    assert_int_equal(got.head, 1);
}

static void one_device_too_many_pushes_out_the_longest_unused_without_a_session(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 1000000);
    log_in(1, 0, TABLET, 12, 1000000);
    assert_int_equal(log_in(1, 0, LAPTOP, 13, 1000000), PROBLEM_CONFLICT);
    begin();
    user_store_end_session(store, 1, 12, on_head, NULL);
    await();
    assert_int_equal(log_in(1, 0, LAPTOP, 13, 1000000), PROBLEM_NONE);
    read_changes(3);
    assert_int_equal(got.count, 2);
    assert_change(0, USER_CHANGE_DEVICE_REMOVED, 1, TABLET, 0, 0);
    assert_change(1, USER_CHANGE_DEVICE_ADDED, 1, LAPTOP, 0, 0);
    begin();
    user_store_devices(store, (int64_t[]){1, 2}, 2, 0, on_devices, NULL);
    await();
    assert_int_equal(got.count, 2);
    assert_int_equal(got.ids[0], PHONE);
    assert_int_equal(got.ids[1], LAPTOP);
    assert_int_equal(got.head, 5);
}

static void devices_tell_since_when_they_are_there_and_their_names_to_whom_they_belong(void **state)
{
    (void)state;
    int64_t before_ms = clock_wall_ms();
    log_in(1, 0, PHONE, 11, 1000000);
    log_in(2, 0, TABLET, 12, 1000000);
    begin();
    user_store_devices(store, (int64_t[]){1, 2}, 2, 2, on_devices, NULL);
    await();
    assert_int_equal(got.count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_in_range(got.created_at_ms[i], before_ms - 1, clock_wall_ms() + 1);
    assert_int_equal(got.named_count, 1);
    assert_int_equal(got.named[0], 2);
}

static void nobody_gets_in_with_a_password_that_was_changed_meanwhile(void **state)
{
    (void)state;
    begin();
    user_store_change_password(store, 1, TEXT_LITERAL("hash"), TEXT_LITERAL("new"), 0, on_head,
                               NULL);
    await();
    assert_int_equal(got.problem, PROBLEM_NONE);
    assert_int_equal(log_in(1, 0, PHONE, 11, 1000000), PROBLEM_UNAUTHORIZED);
    begin();
    user_store_change_password(store, 1, TEXT_LITERAL("hash"), TEXT_LITERAL("x"), 0, on_head, NULL);
    await();
    assert_int_equal(got.problem, PROBLEM_FORBIDDEN);
}

static void a_new_password_ends_all_sessions_but_the_own(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 1000000);
    log_in(1, 0, TABLET, 12, 1000000);
    log_in(2, 0, LAPTOP, 13, 1000000);
    begin();
    user_store_change_password(store, 1, TEXT_LITERAL("hash"), TEXT_LITERAL("new"), 12, on_head,
                               NULL);
    await();
    assert_int_equal(got.head, 4);
    assert_int_equal(owner_of(11), 0);
    assert_int_equal(owner_of(12), 1);
    assert_int_equal(owner_of(13), 2);
    read_changes(3);
    assert_change(0, USER_CHANGE_SESSION_ENDED, 1, PHONE, 11, 0);
}

/* --- sessions and tokens --- */

static void owners_come_in_the_order_of_the_tokens_with_the_head_of_the_feed(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 1000000);
    log_in(2, 0, TABLET, 12, 1000000);
    struct text hashes[] = {hash_of(12), hash_of(99), hash_of(11), hash_of(12), TEXT_LITERAL("x")};
    begin();
    user_store_token_owners(store, hashes, 5, on_token_owners, NULL);
    await();
    assert_int_equal(got.count, 5);
    const int64_t users[] = {2, 0, 1, 2, 0};
    for (int i = 0; i < 5; i++)
        assert_int_equal(got.identities[i].user_id, users[i]);
    assert_int_equal(got.identities[2].session_id, 11);
    assert_int_equal(got.identities[2].device_id, PHONE);
    assert_int_equal(got.identities[0].created_change, 2);
    assert_int_equal(got.head, 2);
}

static void an_expired_token_belongs_to_nobody_before_and_after_the_sweep(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 0);
    log_in(1, 0, TABLET, 12, 1000000);
    assert_int_equal(owner_of(11), 0);
    begin();
    user_store_sweep(store, 100, on_swept, NULL);
    await();
    assert_int_equal(got.count, 1);
    assert_int_equal(got.head, 3);
    assert_int_equal(owner_of(11), 0);
    assert_int_equal(owner_of(12), 1);
}

static void sessions_are_listed_latest_first_in_pages(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 1000000);
    usleep(2000);
    log_in(1, 0, TABLET, 12, 1000000);
    log_in(2, 0, LAPTOP, 13, 1000000);
    begin();
    user_store_sessions(store, 1, (struct user_position){INT64_MAX, INT64_MAX}, 9, on_sessions,
                        NULL);
    await();
    assert_int_equal(got.count, 2);
    assert_int_equal(got.ids[0], 12);
    assert_int_equal(got.ids[1], 11);
    assert_int_equal(got.head, 0); /* not used yet */
    begin();
    user_store_mark_used(store, (int64_t[]){12, 12, 77}, 3, 5000, on_done, NULL);
    await();
    begin();
    user_store_sessions(store, 1, (struct user_position){INT64_MAX, INT64_MAX}, 1, on_sessions,
                        NULL);
    await();
    assert_int_equal(got.count, 1);
    assert_int_equal(got.head, 5000);
}

static void one_cannot_end_anothers_session(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 1000000);
    begin();
    user_store_end_session(store, 2, 11, on_head, NULL);
    await();
    assert_int_equal(got.problem, PROBLEM_NOT_FOUND);
    assert_int_equal(owner_of(11), 1);
}

/* --- devices --- */

static void list_devices(int64_t user_id, struct user_position before, int64_t limit)
{
    begin();
    user_store_own_devices(store, user_id, before, limit, on_devices_listed, NULL);
    await();
    assert_int_equal(got.problem, PROBLEM_NONE);
}

static void devices_are_listed_latest_first_in_pages_with_their_live_sessions(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 0);
    usleep(2000);
    log_in(1, 0, TABLET, 12, 1000000);
    log_in(2, 0, LAPTOP, 13, 1000000);
    list_devices(1, (struct user_position){INT64_MAX, INT64_MAX}, 1);
    assert_int_equal(got.count, 1);
    assert_int_equal(got.devices[0].device_id, TABLET);
    assert_int_equal(got.devices[0].session_id, 12);
    assert_int_equal(got.devices[0].created_at_ms, got.devices[0].last_used_at_ms);
    list_devices(1, (struct user_position){got.devices[0].created_at_ms, TABLET}, 9);
    assert_int_equal(got.count, 1);
    assert_int_equal(got.devices[0].device_id, PHONE);
    assert_int_equal(got.devices[0].session_id, 0);
}

static enum problem rename_device(int64_t user_id, int64_t device_id, const char *name)
{
    begin();
    user_store_rename_device(store, user_id, device_id, text_of(name), on_device, NULL);
    await();
    return got.problem;
}

static void a_device_is_renamed_by_its_user_only(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 1000000);
    assert_int_equal(rename_device(2, PHONE, "mine"), PROBLEM_NOT_FOUND);
    assert_int_equal(rename_device(1, TABLET, "mine"), PROBLEM_NOT_FOUND);
    assert_int_equal(rename_device(1, PHONE, "phone"), PROBLEM_NONE);
    assert_string_equal(got.text, "phone");
    assert_int_equal(got.devices[0].device_id, PHONE);
    assert_int_equal(got.devices[0].session_id, 11);
}

static enum problem remove_device(int64_t user_id, int64_t device_id)
{
    begin();
    user_store_remove_device(store, user_id, device_id, on_head, NULL);
    await();
    return got.problem;
}

static void a_removed_device_ends_its_session_first_and_makes_room(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 1000000);
    log_in(1, 0, TABLET, 12, 1000000);
    assert_int_equal(remove_device(2, PHONE), PROBLEM_NOT_FOUND);
    assert_int_equal(remove_device(1, PHONE), PROBLEM_NONE);
    assert_int_equal(got.head, 4);
    assert_int_equal(owner_of(11), 0);
    assert_int_equal(owner_of(12), 1);
    assert_int_equal(remove_device(1, PHONE), PROBLEM_NOT_FOUND);
    read_changes(2);
    assert_int_equal(got.count, 2);
    assert_change(0, USER_CHANGE_SESSION_ENDED, 1, PHONE, 11, 0);
    assert_change(1, USER_CHANGE_DEVICE_REMOVED, 1, PHONE, 0, 0);
    assert_int_equal(log_in(1, PHONE, 0, 13, 1000000), PROBLEM_NOT_FOUND);
    assert_int_equal(log_in(1, 0, LAPTOP, 13, 1000000), PROBLEM_NONE);
}

static void a_removed_device_that_is_logged_out_leaves_one_change(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 1000000);
    begin();
    user_store_end_session(store, 1, 11, on_head, NULL);
    await();
    assert_int_equal(remove_device(1, PHONE), PROBLEM_NONE);
    read_changes(2);
    assert_int_equal(got.count, 1);
    assert_change(0, USER_CHANGE_DEVICE_REMOVED, 1, PHONE, 0, 0);
}

/* --- blocks --- */

static enum problem put_block(int64_t user_id, int64_t other_id)
{
    begin();
    user_store_put_block(store, user_id, other_id, on_head, NULL);
    await();
    return got.problem;
}

static enum problem delete_block(int64_t user_id, int64_t other_id)
{
    begin();
    user_store_delete_block(store, user_id, other_id, on_head, NULL);
    await();
    return got.problem;
}

static void blocking_again_changes_nothing_and_tells_a_head_at_or_above_the_first(void **state)
{
    (void)state;
    assert_int_equal(put_block(1, 2), PROBLEM_NONE);
    assert_int_equal(got.head, 1);
    assert_int_equal(put_block(1, 2), PROBLEM_NONE);
    assert_int_equal(got.head, 1);
    begin();
    user_store_pair(store, 1, 2, on_pair, NULL);
    await();
    assert_int_equal(got.ids[0], 1);
    assert_int_equal(got.ids[1], 0);
    assert_int_equal(delete_block(1, 2), PROBLEM_NONE);
    assert_int_equal(delete_block(1, 2), PROBLEM_NONE);
    read_changes(0);
    assert_int_equal(got.count, 2);
    assert_change(0, USER_CHANGE_BLOCKED, 1, 0, 0, 2);
    assert_change(1, USER_CHANGE_UNBLOCKED, 1, 0, 0, 2);
}

static void blocks_are_bounded_and_of_users_that_exist(void **state)
{
    (void)state;
    register_as(3, "cid");
    register_as(4, "dan");
    assert_int_equal(put_block(1, 99), PROBLEM_NOT_FOUND);
    assert_int_equal(delete_block(1, 99), PROBLEM_NOT_FOUND);
    assert_int_equal(put_block(1, 2), PROBLEM_NONE);
    assert_int_equal(put_block(1, 3), PROBLEM_NONE);
    assert_int_equal(put_block(1, 4), PROBLEM_CONFLICT);
    assert_int_equal(put_block(1, 3), PROBLEM_NONE);
}

/* --- the feed --- */

static void the_head_alone_can_be_asked_for(void **state)
{
    (void)state;
    log_in(1, 0, PHONE, 11, 1000000);
    begin();
    user_store_changes(store, -1, 0, on_changes, NULL);
    await();
    assert_int_equal(got.count, 0);
    assert_int_equal(got.head, 1);
    read_changes(1);
    assert_int_equal(got.count, 0);
    begin();
    user_store_head(store, on_head, NULL);
    await();
    assert_int_equal(got.head, 1);
}

static void on_trimmed(void *context, enum problem problem, size_t count)
{
    (void)context;
    got.count = count;
    done(problem);
}

static size_t trim(int64_t taken, int64_t days, int64_t limit)
{
    begin();
    user_store_trim(store, taken, days, limit, on_trimmed, NULL);
    await();
    assert_int_equal(got.problem, PROBLEM_NONE);
    return got.count;
}

static void changes_that_were_taken_and_are_old_leave_the_feed_oldest_first(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        put_block(1, 2);
        delete_block(1, 2);
    }
    assert_int_equal(trim(4, 1, 100), 0); /* they are of today */
    assert_int_equal(trim(4, 0, 3), 3);
    read_changes(3);
    assert_int_equal(got.count, 3);
    assert_int_equal(got.head, 6);
    assert_int_equal(trim(4, 0, 100), 1);
    read_changes(4);
    assert_int_equal(got.count, 2);
    assert_int_equal(got.changes[0].offset, 5);
    put_block(1, 2);
    assert_int_equal(got.head, 7);
}

static void two_daemons_at_once_leave_a_feed_without_gaps(void **state)
{
    (void)state;
    struct user_store *other = user_store_create(loop);
    while (!user_store_is_ready(other)) {
        loop_timer_start(poll_timer, 20);
        loop_run(loop);
    }
    begin();
    waiting = 40;
    for (int i = 0; i < 10; i++) {
        user_store_put_block(store, 1, 2, on_head, NULL);
        user_store_put_block(other, 2, 1, on_head, NULL);
        user_store_delete_block(store, 1, 2, on_head, NULL);
        user_store_delete_block(other, 2, 1, on_head, NULL);
    }
    await();
    assert_int_equal(got.problem, PROBLEM_NONE);
    user_store_destroy(&other);
    read_changes(0);
    assert_int_equal(got.count, 40);
    assert_int_equal(got.head, 40);
    for (size_t i = 0; i < got.count; i++)
        assert_int_equal(got.changes[i].offset, i + 1);
}

#define TEST(name) cmocka_unit_test_setup(name, start_with_ann_and_bob)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_username_belongs_to_one_account),
        TEST(a_profile_changes_only_where_it_is_told_to),
        TEST(what_a_user_hides_is_set_bit_by_bit_and_told_in_the_feed_when_it_changes),
        TEST(a_token_says_what_its_user_hides),
        TEST(nothing_is_set_for_an_erased_account),
        TEST(search_finds_by_prefix_in_order_and_goes_on_behind_a_name),
        TEST(an_erased_account_leaves_its_id_and_nothing_else),
        TEST(credentials_tell_whose_device_it_is),
        TEST(logging_a_device_in_again_ends_its_former_session),
        TEST(anothers_device_is_not_found_and_ends_nothing),
        TEST(one_device_too_many_pushes_out_the_longest_unused_without_a_session),
        TEST(devices_tell_since_when_they_are_there_and_their_names_to_whom_they_belong),
        TEST(nobody_gets_in_with_a_password_that_was_changed_meanwhile),
        TEST(a_new_password_ends_all_sessions_but_the_own),
        TEST(owners_come_in_the_order_of_the_tokens_with_the_head_of_the_feed),
        TEST(an_expired_token_belongs_to_nobody_before_and_after_the_sweep),
        TEST(sessions_are_listed_latest_first_in_pages),
        TEST(one_cannot_end_anothers_session),
        TEST(devices_are_listed_latest_first_in_pages_with_their_live_sessions),
        TEST(a_device_is_renamed_by_its_user_only),
        TEST(a_removed_device_ends_its_session_first_and_makes_room),
        TEST(a_removed_device_that_is_logged_out_leaves_one_change),
        TEST(blocking_again_changes_nothing_and_tells_a_head_at_or_above_the_first),
        TEST(blocks_are_bounded_and_of_users_that_exist),
        TEST(the_head_alone_can_be_asked_for),
        TEST(changes_that_were_taken_and_are_old_leave_the_feed_oldest_first),
        TEST(two_daemons_at_once_leave_a_feed_without_gaps),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
