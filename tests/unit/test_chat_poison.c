/* Rows of the log that cannot be shown: what becomes of them, and who is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "services/chat/chat_poison.h"
#include "shared/base/mem.h"

static struct chat_log_event message(int64_t seq)
{
    return (struct chat_log_event){.chat_id = 7,
                                   .seq = seq,
                                   .type = CHAT_EVENT_MESSAGE,
                                   .sender_id = 9,
                                   .client_id = TEXT_LITERAL("c"),
                                   .body = TEXT_LITERAL("{\"text\":\"hi\"}"),
                                   .detail = TEXT_LITERAL("\"reply_to\":2")};
}

static void assert_text(struct text got, const char *want)
{
    assert_int_equal(got.length, strlen(want));
    if (got.length > 0)
        assert_memory_equal(got.data, want, got.length);
}

static void a_sound_event_stays_as_it_is(void **state)
{
    (void)state;
    struct chat_log_event event = message(1);
    assert_null(chat_poison_mend(&event));
    assert_text(event.body, "{\"text\":\"hi\"}");
    assert_text(event.detail, "\"reply_to\":2");
}

static void what_cannot_be_shown_becomes_an_empty_message(void **state)
{
    (void)state;
    char *large = mem_zalloc(CHAT_BODY_BYTES + 1);
    struct chat_log_event events[] = {message(1), message(2), message(3), message(4), message(5)};
    events[0].body = text_of("{");
    events[1].detail = text_of("\"reply_to\":");
    events[2].type = 77;
    events[3].body = (struct text){large, CHAT_BODY_BYTES + 1};
    events[4].body = TEXT_NONE;
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        assert_non_null(chat_poison_mend(&events[i]));
        assert_int_equal(events[i].type, CHAT_EVENT_MESSAGE);
        assert_text(events[i].body, "{\"text\":\"\"}");
        assert_text(events[i].detail, "");
    }
    mem_free(large);
}

static void a_deleted_message_and_its_edits_have_no_body_and_that_is_sound(void **state)
{
    (void)state;
    struct chat_log_event deleted = message(1), edit = message(2);
    deleted.is_deleted = true;
    deleted.body = deleted.detail = TEXT_NONE;
    edit.type = CHAT_EVENT_EDIT;
    edit.subject_id = 1;
    edit.body = edit.detail = TEXT_NONE;
    assert_null(chat_poison_mend(&deleted));
    assert_null(chat_poison_mend(&edit));
    deleted.detail = text_of("}");
    assert_non_null(chat_poison_mend(&deleted));
    assert_null(deleted.body.data);
}

static void a_membership_event_keeps_who_it_is_about(void **state)
{
    (void)state;
    struct chat_log_event event = {
        .chat_id = 7, .seq = 3, .type = CHAT_EVENT_MEMBER_ADDED, .subject_id = 5};
    event.detail = text_of("}");
    assert_non_null(chat_poison_mend(&event));
    assert_int_equal(event.type, CHAT_EVENT_MEMBER_ADDED);
    assert_int_equal(event.subject_id, 5);
    assert_text(event.detail, "");
}

static void count_note(void *context, const struct chat_log_event *event, const char *reason)
{
    assert_non_null(reason);
    assert_int_equal(event->chat_id, 7);
    ++*(int *)context;
}

static void an_event_that_is_read_often_is_told_of_once(void **state)
{
    (void)state;
    int notes = 0;
    chat_poison_report_to(count_note, &notes);
    for (int64_t i = 0; i < 20; i++) {
        struct chat_log_event event = message(100 + i % 2);
        event.body = text_of("[]");
        assert_non_null(chat_poison_mend(&event));
    }
    chat_poison_report_to(NULL, NULL);
    assert_int_equal(notes, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_event_stays_as_it_is),
        cmocka_unit_test(what_cannot_be_shown_becomes_an_empty_message),
        cmocka_unit_test(a_deleted_message_and_its_edits_have_no_body_and_that_is_sound),
        cmocka_unit_test(a_membership_event_keeps_who_it_is_about),
        cmocka_unit_test(an_event_that_is_read_often_is_told_of_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
