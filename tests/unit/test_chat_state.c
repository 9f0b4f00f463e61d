/* The cache of what chats are decided by, and the set of a chat's members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/chat/chat_state.h"
#include "shared/base/mem.h"

static struct chat_state *use(struct chat_states *states, int64_t chat_id)
{
    struct chat_state *state = chat_states_pin(states, chat_id);
    state->phase = CHAT_STATE_READY;
    state->exists = true;
    chat_states_unpin(states, state);
    return state;
}

static void the_least_recently_used_chat_goes_first(void **state)
{
    (void)state;
    struct chat_states *states = chat_states_create(3, 100);
    for (int64_t chat = 1; chat <= 3; chat++)
        use(states, chat);
    use(states, 1);
    use(states, 4);
    assert_null(chat_states_find(states, 2));
    assert_non_null(chat_states_find(states, 1));
    assert_non_null(chat_states_find(states, 3));
    assert_int_equal(chat_states_size(states), 3);
    chat_states_destroy(&states);
    assert_null(states);
}

static void a_pinned_chat_stays(void **state)
{
    (void)state;
    struct chat_states *states = chat_states_create(2, 100);
    struct chat_state *pinned = chat_states_pin(states, 1);
    pinned->phase = CHAT_STATE_READY;
    pinned->exists = true;
    for (int64_t chat = 2; chat <= 9; chat++)
        use(states, chat);
    assert_ptr_equal(chat_states_find(states, 1), pinned);
    chat_states_unpin(states, pinned);
    chat_states_destroy(&states);
}

static void members_count_against_a_bound_of_their_own(void **state)
{
    (void)state;
    struct chat_states *states = chat_states_create(10, 5);
    for (int64_t chat = 1; chat <= 3; chat++) {
        struct chat_state *used = chat_states_pin(states, chat);
        used->phase = CHAT_STATE_READY;
        used->exists = true;
        for (int64_t user = 1; user <= 2; user++)
            chat_members_put(&used->members, user, 1, CHAT_ROLE_MEMBER);
        chat_states_count(states, used);
        chat_states_unpin(states, used);
    }
    assert_null(chat_states_find(states, 1));
    assert_int_equal(chat_states_size(states), 2);
    chat_states_destroy(&states);
}

static void a_chat_that_is_not_there_is_not_remembered(void **state)
{
    (void)state;
    struct chat_states *states = chat_states_create(10, 10);
    struct chat_state *asked = chat_states_pin(states, 1);
    asked->phase = CHAT_STATE_READY;
    chat_states_unpin(states, asked);
    assert_int_equal(chat_states_size(states), 0);
    chat_states_destroy(&states);
}

static void forgetting_all_keeps_only_what_is_pinned_and_empties_it(void **state)
{
    (void)state;
    struct chat_states *states = chat_states_create(10, 10);
    struct chat_state *pinned = chat_states_pin(states, 1);
    pinned->phase = CHAT_STATE_READY;
    pinned->exists = true;
    pinned->head_seq = 7;
    chat_members_put(&pinned->members, 1, 1, CHAT_ROLE_OWNER);
    use(states, 2);
    chat_states_forget_all(states);
    assert_int_equal(chat_states_size(states), 1);
    assert_int_equal(pinned->phase, CHAT_STATE_UNKNOWN);
    assert_int_equal(pinned->head_seq, 0);
    assert_null(chat_members_find(&pinned->members, 1));
    chat_states_destroy(&states);
}

static void members_are_found_listed_and_never_quite_forgotten(void **state)
{
    (void)state;
    struct chat_members members = {NULL, 0, 0};
    assert_null(chat_members_find(&members, 1));
    for (int64_t user = 1; user <= 1000; user++)
        chat_members_put(&members, user * 7919, user, CHAT_ROLE_MEMBER);
    for (int64_t user = 1; user <= 1000; user += 2)
        chat_members_put(&members, user * 7919, 0, CHAT_ROLE_FORMER);
    assert_int_equal(chat_members_find(&members, 7919)->role, CHAT_ROLE_FORMER);
    assert_int_equal(chat_members_find(&members, 2 * 7919)->from_seq, 2);
    size_t count;
    struct chat_member *list = chat_members_list(&members, &count);
    assert_int_equal(count, 500);
    for (size_t i = 1; i < count; i++)
        assert_true(list[i - 1].user_id < list[i].user_id);
    mem_free(list);
    chat_members_clear(&members);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_recently_used_chat_goes_first),
        cmocka_unit_test(a_pinned_chat_stays),
        cmocka_unit_test(members_count_against_a_bound_of_their_own),
        cmocka_unit_test(a_chat_that_is_not_there_is_not_remembered),
        cmocka_unit_test(forgetting_all_keeps_only_what_is_pinned_and_empties_it),
        cmocka_unit_test(members_are_found_listed_and_never_quite_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
