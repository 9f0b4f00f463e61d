/* Events as clients see them: the exact bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/chat/chat_render.h"

#define HEAD(type)                               \
    "{\"chat\":\"7\",\"seq\":3,\"type\":\"" type \
    "\",\"sender\":\"9\",\"at\":\"2026-01-02T03:04:05.678Z\""

static const struct {
    struct chat_log_event event;
    const char *want;
} cases[] = {
    {{.type = CHAT_EVENT_MESSAGE,
      .client_id = TEXT_LITERAL("a\"b"),
      .body = TEXT_LITERAL("{\"text\": \"hi\"}")},
     HEAD("message") ",\"client_id\":\"a\\\"b\",\"body\":{\"text\": \"hi\"}}"},
    {{.type = CHAT_EVENT_MESSAGE,
      .client_id = TEXT_LITERAL("c"),
      .body = TEXT_LITERAL("{}"),
      .detail = TEXT_LITERAL("\"reply_to\":2,\"mentions\":[\"5\"]")},
     HEAD("message") ",\"client_id\":\"c\",\"body\":{},\"reply_to\":2,\"mentions\":[\"5\"]}"},
    {{.type = CHAT_EVENT_MEMBER_ADDED,
      .subject_id = 5,
      .detail = TEXT_LITERAL("\"role\":\"owner\"")},
     HEAD("member_added") ",\"user\":\"5\",\"role\":\"owner\",\"by\":\"9\"}"},
    {{.type = CHAT_EVENT_MEMBER_REMOVED, .subject_id = 5},
     HEAD("member_removed") ",\"user\":\"5\",\"by\":\"9\"}"},
    {{.type = CHAT_EVENT_ROLE_CHANGED,
      .subject_id = 5,
      .detail = TEXT_LITERAL("\"role\":\"reader\"")},
     HEAD("role_changed") ",\"user\":\"5\",\"role\":\"reader\",\"by\":\"9\"}"},
    {{.type = CHAT_EVENT_MESSAGE,
      .client_id = TEXT_LITERAL("c"),
      .body = TEXT_LITERAL("{\"text\":\"new\"}"),
      .detail = TEXT_LITERAL("\"reply_to\":2"),
      .edited_at_ms = 1767323045999,
      .reactions = TEXT_LITERAL("{\"x\":[\"5\"]}")},
     HEAD("message") ",\"client_id\":\"c\",\"body\":{\"text\":\"new\"},\"reply_to\":2,"
                     "\"edited\":\"2026-01-02T03:04:05.999Z\",\"reactions\":{\"x\":[\"5\"]}}"},
    {{.type = CHAT_EVENT_MESSAGE, .client_id = TEXT_LITERAL("c"), .is_deleted = true},
     HEAD("message") ",\"client_id\":\"c\",\"deleted\":true}"},
    {{.type = CHAT_EVENT_EDIT,
      .subject_id = 2,
      .client_id = TEXT_LITERAL("c"),
      .body = TEXT_LITERAL("{\"text\":\"new\"}")},
     HEAD("edit") ",\"target\":2,\"body\":{\"text\":\"new\"}}"},
    {{.type = CHAT_EVENT_EDIT, .subject_id = 2, .client_id = TEXT_LITERAL("c")},
     HEAD("edit") ",\"target\":2}"},
    {{.type = CHAT_EVENT_DELETE, .subject_id = 2, .client_id = TEXT_LITERAL("c")},
     HEAD("delete") ",\"target\":2}"},
    {{.type = CHAT_EVENT_REACTION,
      .subject_id = 2,
      .client_id = TEXT_LITERAL("c"),
      .detail = TEXT_LITERAL("\"emoji\":\"x\",\"on\":false")},
     HEAD("reaction") ",\"target\":2,\"emoji\":\"x\",\"on\":false}"},
    {{.type = CHAT_EVENT_CHAT_UPDATED, .detail = TEXT_LITERAL("\"title\":\"T\"")},
     HEAD("chat_updated") ",\"title\":\"T\",\"by\":\"9\"}"},
};

static void every_type_has_its_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct chat_log_event event = cases[i].event;
        struct buffer out = BUFFER_EMPTY;
        event.chat_id = 7;
        event.seq = 3;
        event.sender_id = 9;
        event.at_ms = 1767323045678;
        chat_render_event(&out, &event);
        buffer_append(&out, "", 1);
        assert_string_equal(out.data, cases[i].want);
        buffer_deinit(&out);
    }
}

static void roles_have_names(void **state)
{
    (void)state;
    assert_string_equal(chat_role_name(CHAT_ROLE_READER), "reader");
    assert_string_equal(chat_role_name(CHAT_ROLE_OWNER), "owner");
    assert_string_equal(chat_role_name(17), "former");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_has_its_form),
        cmocka_unit_test(roles_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
