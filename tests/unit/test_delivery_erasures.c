/* What was deleted lately, held against all that ever was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "services/delivery/delivery_erasures.h"
#include "shared/proto/chat_protocol.h"

#define CHATS 3
#define SEQS  400
#define STEPS (3 * DELIVERY_ERASURES_MAX)

static struct delivery_erasures erasures;
static struct delivery_erasure all[STEPS];

static bool was_deleted(uint64_t since, int64_t chat_id, int64_t from_seq, int64_t to_seq)
{
    if (erasures.count - since > DELIVERY_ERASURES_MAX)
        return true; /* as far as is remembered */
    for (uint64_t i = since; i < erasures.count; i++)
        if (all[i].chat_id == chat_id && all[i].seq >= from_seq && all[i].seq <= to_seq)
            return true;
    return false;
}

static void content_is_old_when_its_message_was_deleted_since_or_too_much_was(void **state)
{
    (void)state;
    int told = 0;
    erasures = (struct delivery_erasures){0};
    srandom(7);
    for (size_t step = 0; step < STEPS; step++) {
        all[step] = (struct delivery_erasure){random() % CHATS, 1 + random() % SEQS};
        delivery_erasures_add(&erasures, all[step].chat_id, all[step].seq);
        uint64_t since = erasures.count - (uint64_t)random() % (erasures.count + 1);
        int64_t chat = random() % CHATS, seq = 1 + random() % SEQS, target = 1 + random() % SEQS;
        struct delivery_event message = {
            .ref = {.chat_id = chat, .seq = seq}, .erasures = since, .type = CHAT_EVENT_MESSAGE};
        struct delivery_event edit = message;
        edit.type = CHAT_EVENT_EDIT;
        edit.subject_id = target;
        struct delivery_ref refs[] = {{.chat_id = CHATS, .seq = SEQS}, message.ref};
        bool is_old = was_deleted(since, chat, seq, seq);
        told += is_old;
        assert_int_equal(delivery_erasures_have_event(&erasures, &message), is_old);
        assert_int_equal(delivery_erasures_have_event(&erasures, &edit),
                         was_deleted(since, chat, target, target));
        assert_int_equal(delivery_erasures_may_have(&erasures, since, refs, 2),
                         was_deleted(since, chat, 1, seq));
    }
    assert_in_range(told, STEPS / 10, STEPS - STEPS / 10);
}

static void what_is_read_now_was_not_deleted_before(void **state)
{
    (void)state;
    const struct delivery_ref ref = {.chat_id = 1, .seq = 5};
    erasures = (struct delivery_erasures){0};
    delivery_erasures_add(&erasures, 1, 5);
    assert_false(delivery_erasures_may_have(&erasures, erasures.count, &ref, 1));
    assert_true(delivery_erasures_may_have(&erasures, erasures.count - 1, &ref, 1));
    assert_false(delivery_erasures_may_have(&erasures, erasures.count - 1, &ref, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_is_old_when_its_message_was_deleted_since_or_too_much_was),
        cmocka_unit_test(what_is_read_now_was_not_deleted_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
