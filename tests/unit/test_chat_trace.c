/* What a trace says, put together from the log, the watermarks and delivery. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "services/chat/chat_trace.h"

enum { ANN = 1, BEN = 2, CARL = 3, CHAT = 9, SEQ = 5, LIMIT = 10 };

static char *render(const struct chat_trace_member *members, size_t count, size_t limit,
                    const struct chat_trace_devices *devices)
{
    static char text[8192];
    struct chat_trace_page page = {
        .seq = SEQ, .at_ms = 1000, .sender_id = ANN, .members = members, .count = count};
    struct buffer out = BUFFER_EMPTY;
    chat_trace_render(&out, CHAT, &page, limit, devices);
    assert_in_range(out.length, 1, sizeof text - 1);
    memcpy(text, out.data, out.length);
    text[out.length] = '\0';
    buffer_deinit(&out);
    return text;
}

static void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("%s\n is not in %s", part, text);
}

static const struct chat_trace_devices nobody = {.known = true};

static void without_delivery_there_are_no_devices(void **state)
{
    (void)state;
    struct chat_trace_member ben = {.user_id = BEN};
    struct chat_trace_devices unknown = {.known = false};
    assert_string_equal(
        render(&ben, 1, LIMIT, &unknown),
        "{\"chat\":\"9\",\"seq\":5,\"at\":\"1970-01-01T00:00:01.000Z\",\"devices\":null,\"items\":["
        "{\"user\":\"2\",\"state\":\"stored\",\"delivered\":null,\"read\":null,\"devices\":null}],"
        "\"next_cursor\":null}");
}

static void a_time_is_exact_only_where_the_watermark_stands(void **state)
{
    (void)state;
    static const struct {
        int64_t delivered, delivered_at_ms, read, read_at_ms;
        const char *want;
    } cases[] = {
        {4, 2000, 4, 2000, "\"stored\",\"delivered\":null,\"read\":null"},
        {5, 2000, 4, 3000,
         "\"delivered\",\"delivered\":{\"at\":\"1970-01-01T00:00:02.000Z\",\"exact\":true},"
         "\"read\":null"},
        {6, 2000, 5, 3000,
         "\"read\",\"delivered\":{\"at\":\"1970-01-01T00:00:02.000Z\",\"exact\":false},"
         "\"read\":{\"at\":\"1970-01-01T00:00:03.000Z\",\"exact\":true}"},
        {5, 0, 5, 0,
         "\"read\",\"delivered\":{\"at\":null,\"exact\":false},\"read\":{\"at\":null,\"exact\":"
         "false}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct chat_trace_member ben = {.user_id = BEN,
                                        .delivered = cases[i].delivered,
                                        .delivered_at_ms = cases[i].delivered_at_ms,
                                        .read = cases[i].read,
                                        .read_at_ms = cases[i].read_at_ms};
        assert_says(render(&ben, 1, LIMIT, &nobody), cases[i].want);
    }
}

static void of_others_only_the_number_of_devices_in_each_state_is_told(void **state)
{
    (void)state;
    struct chat_trace_member members[] = {{.user_id = BEN}, {.user_id = CARL}};
    struct delivery_traced_device devices[] = {
        {.user_id = ANN,
         .device_id = 71,
         .state = DELIVERY_TRACE_PARKED,
         .position = 3,
         .name = TEXT_LITERAL("Ann's \"phone\"")},
        {.user_id = ANN, .device_id = 72, .state = DELIVERY_TRACE_SENT, .connected = 1},
        {.user_id = BEN, .device_id = 81, .state = DELIVERY_TRACE_PARKED, .position = 7},
        {.user_id = BEN, .device_id = 82, .state = DELIVERY_TRACE_SENT, .connected = 1},
        {.user_id = CARL, .device_id = 83, .state = DELIVERY_TRACE_RESYNC},
        {.user_id = CARL, .device_id = 84, .state = 99, .name = TEXT_LITERAL("secret")},
    };
    struct chat_trace_devices all = {true, false, devices, sizeof devices / sizeof devices[0]};
    const char *text = render(members, 2, LIMIT, &all);
    assert_says(text, "\"devices\":[{\"id\":\"71\",\"name\":\"Ann's \\\"phone\\\"\",\"connected\":"
                      "false,\"state\":\"parked\",\"position\":3},{\"id\":\"72\",\"name\":\"\","
                      "\"connected\":true,\"state\":\"sent\",\"position\":null}]");
    assert_says(text, "{\"user\":\"2\",\"state\":\"sent\",\"delivered\":null,\"read\":null,"
                      "\"devices\":{\"unknown\":0,\"waiting\":0,\"parked\":1,\"sent\":1,"
                      "\"acknowledged\":0,\"resync\":0}}");
    assert_says(text, "{\"user\":\"3\",\"state\":\"stored\",\"delivered\":null,\"read\":null,"
                      "\"devices\":{\"unknown\":1,\"waiting\":0,\"parked\":0,\"sent\":0,"
                      "\"acknowledged\":0,\"resync\":1}}");
    assert_null(strstr(text, "8"));
    assert_null(strstr(text, "secret"));
}

static void of_a_pulled_chat_it_is_not_known_who_has_taken_it_over(void **state)
{
    (void)state;
    struct chat_trace_member members[] = {{.user_id = BEN, .delivered = SEQ}, {.user_id = CARL}};
    struct delivery_traced_device devices[] = {
        {.user_id = BEN, .device_id = 81, .state = DELIVERY_TRACE_ACKNOWLEDGED},
        {.user_id = CARL, .device_id = 83, .state = DELIVERY_TRACE_ACKNOWLEDGED},
        {.user_id = CARL, .device_id = 84, .state = DELIVERY_TRACE_PARKED, .position = 1},
    };
    struct chat_trace_devices all = {true, true, devices, sizeof devices / sizeof devices[0]};
    const char *text = render(members, 2, LIMIT, &all);
    assert_says(text, "{\"user\":\"2\",\"state\":\"delivered\"");
    assert_says(text, "{\"user\":\"3\",\"state\":\"parked\",\"delivered\":null,\"read\":null,"
                      "\"devices\":{\"unknown\":1,\"waiting\":0,\"parked\":1,\"sent\":0,"
                      "\"acknowledged\":0,\"resync\":0}}");
}

static void a_page_that_holds_one_more_leads_to_the_next(void **state)
{
    (void)state;
    struct chat_trace_member members[] = {{.user_id = BEN}, {.user_id = CARL}};
    const char *text = render(members, 2, 1, &nobody);
    assert_says(text, "\"next_cursor\":\"2\"");
    assert_null(strstr(text, "\"user\":\"3\""));
    assert_says(render(members, 2, 2, &nobody), "\"next_cursor\":null");
    assert_says(render(members, 0, 2, &nobody), "\"items\":[],\"next_cursor\":null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_delivery_there_are_no_devices),
        cmocka_unit_test(a_time_is_exact_only_where_the_watermark_stands),
        cmocka_unit_test(of_others_only_the_number_of_devices_in_each_state_is_told),
        cmocka_unit_test(of_a_pulled_chat_it_is_not_known_who_has_taken_it_over),
        cmocka_unit_test(a_page_that_holds_one_more_leads_to_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
