/* The JSON of chats, members and own settings, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/metadata/metadata_render.h"

static const struct metadata_chat group = {
    .chat_id = 9007199254740993,
    .kind = CHAT_GROUP,
    .history = CHAT_HISTORY_SHARED,
    .created_at_ms = 1767323045678,
    .member_count = 3,
    .title = TEXT_LITERAL("a \"quoted\" title"),
    .own = {.muted_until_ms = 0, .pinned = true, .archived = false},
};

#define GROUP_JSON                                                                          \
    "{\"id\":\"9007199254740993\",\"kind\":\"group\",\"title\":\"a \\\"quoted\\\" title\"," \
    "\"description\":null,\"avatar\":null,\"history\":\"shared\","                          \
    "\"created_at\":\"2026-01-02T03:04:05.678Z\",\"last_seq\":7,\"member_count\":3}"

static void assert_buffer(struct buffer *buffer, const char *want)
{
    buffer_append(buffer, "", 1);
    assert_string_equal(buffer->data, want);
    buffer_deinit(buffer);
}

static void a_chat_has_its_id_as_a_string_and_null_for_what_is_not_set(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    metadata_render_chat(&out, &group, 7);
    assert_buffer(&out, GROUP_JSON);
}

static void own_settings_that_are_not_muted_say_null(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    metadata_render_own(&out, &group.own);
    assert_buffer(&out, "{\"muted_until\":null,\"pinned\":true,\"archived\":false}");
}

static void own_settings_that_are_muted_say_until_when(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    const struct metadata_own own = {.muted_until_ms = 1767323045678, .archived = true};
    metadata_render_own(&out, &own);
    assert_buffer(&out, "{\"muted_until\":\"2026-01-02T03:04:05.678Z\",\"pinned\":false,"
                        "\"archived\":true}");
}

static void every_role_has_its_word(void **state)
{
    (void)state;
    static const struct {
        int64_t role;
        const char *want;
    } cases[] = {{CHAT_ROLE_READER, "{\"user\":\"5\",\"role\":\"reader\"}"},
                 {CHAT_ROLE_MEMBER, "{\"user\":\"5\",\"role\":\"member\"}"},
                 {CHAT_ROLE_ADMIN, "{\"user\":\"5\",\"role\":\"admin\"}"},
                 {CHAT_ROLE_OWNER, "{\"user\":\"5\",\"role\":\"owner\"}"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer out = BUFFER_EMPTY;
        metadata_render_member(&out, 5, cases[i].role);
        assert_buffer(&out, cases[i].want);
    }
}

static void an_item_of_the_list_carries_the_last_event_as_the_log_rendered_it(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    const struct chat_summary summary = {.last_seq = 7,
                                         .read_seq = 4,
                                         .unread = 2,
                                         .mentions = 1,
                                         .last_event = TEXT_LITERAL("{\"chat\":\"1\",\"seq\":7}")};
    metadata_render_item(&out, &group, &summary);
    assert_buffer(&out, "{\"chat\":" GROUP_JSON
                        ",\"last_seq\":7,\"last_event\":{\"chat\":\"1\",\"seq\":7},"
                        "\"read_seq\":4,\"unread\":2,\"unread_mentions\":1,\"me\":{\"muted_until\":"
                        "null,\"pinned\":true,"
                        "\"archived\":false}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chat_has_its_id_as_a_string_and_null_for_what_is_not_set),
        cmocka_unit_test(own_settings_that_are_not_muted_say_null),
        cmocka_unit_test(own_settings_that_are_muted_say_until_when),
        cmocka_unit_test(every_role_has_its_word),
        cmocka_unit_test(an_item_of_the_list_carries_the_last_event_as_the_log_rendered_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
