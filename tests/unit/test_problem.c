/* The table of errors: stable codes, and the JSON of RFC 9457. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "shared/base/json.h"
#include "shared/net/problem.h"

static void the_codes_and_statuses_are_those_of_the_contract(void **state)
{
    static const struct {
        const char *code;
        int status;
    } wanted[] = {
        {"bad_request", 400},
        {"invalid_json", 400},
        {"invalid_utf8", 400},
        {"unauthorized", 401},
        {"forbidden", 403},
        {"not_member", 403},
        {"blocked", 403},
        {"not_found", 404},
        {"method_not_allowed", 405},
        {"conflict", 409},
        {"username_taken", 409},
        {"too_large", 413},
        {"unsupported_media_type", 415},
        {"rate_limited", 429},
        {"internal", 500},
        {"unavailable", 503},
    };
    (void)state;
    assert_int_equal(PROBLEM_COUNT - 1, sizeof wanted / sizeof wanted[0]);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        enum problem problem = problem_of_code(wanted[i].code);
        assert_int_not_equal(problem, PROBLEM_NONE);
        assert_int_equal(problem_info(problem)->status, wanted[i].status);
    }
}

static void only_what_may_be_different_later_is_temporary(void **state)
{
    (void)state;
    for (int i = PROBLEM_NONE + 1; i < PROBLEM_COUNT; i++) {
        const struct problem_info *info = problem_info((enum problem)i);
        assert_int_equal(info->temporary, info->status == 429 || info->status >= 500);
    }
}

static void an_unknown_code_is_no_problem(void **state)
{
    (void)state;
    assert_int_equal(problem_of_code("teapot"), PROBLEM_NONE);
    assert_int_equal(problem_of_code(""), PROBLEM_NONE);
}

static void expect_json(const struct problem_report *report, const char *wanted)
{
    struct buffer out = BUFFER_EMPTY;
    struct json_fault fault;
    problem_write(report, &out);
    struct json_document *document = json_parse(buffer_text(&out), &fault);
    assert_non_null(document);
    json_destroy(&document);
    buffer_append(&out, "", 1);
    assert_string_equal(out.data, wanted);
    buffer_deinit(&out);
}

static void a_report_without_more_has_the_title_as_its_detail(void **state)
{
    (void)state;
    expect_json(
        &(struct problem_report){.problem = PROBLEM_NOT_FOUND, .request_id = "abcdefgh"},
        "{\"type\":\"/docs/errors/not_found\",\"title\":\"There is nothing here\",\"status\":404,"
        "\"detail\":\"There is nothing here\",\"code\":\"not_found\",\"temporary\":false,"
        "\"request_id\":\"abcdefgh\"}");
}

static void a_faulty_field_is_named_and_what_peers_wrote_is_escaped(void **state)
{
    (void)state;
    expect_json(&(struct problem_report){.problem = PROBLEM_BAD_REQUEST,
                                         .detail = "a \"quote\"\r\n",
                                         .request_id = "abcdefgh",
                                         .pointer = "/body/\"",
                                         .reason = "is not known here"},
                "{\"type\":\"/docs/errors/bad_request\",\"title\":\"The request is not "
                "valid\",\"status\":400,"
                "\"detail\":\"a \\\"quote\\\"\\r\\n\",\"code\":\"bad_request\",\"temporary\":false,"
                "\"request_id\":\"abcdefgh\","
                "\"errors\":[{\"pointer\":\"/body/\\\"\",\"reason\":\"is not known here\"}]}");
}

static void a_report_may_have_another_status_and_a_time_to_wait(void **state)
{
    (void)state;
    expect_json(
        &(struct problem_report){
            .problem = PROBLEM_UNAVAILABLE, .status = 599, .detail = "d", .retry_after_s = 3},
        "{\"type\":\"/docs/errors/unavailable\",\"title\":\"A part of the service is not "
        "available\","
        "\"status\":599,\"detail\":\"d\",\"code\":\"unavailable\",\"temporary\":true,\"retry_"
        "after\":3}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_codes_and_statuses_are_those_of_the_contract),
        cmocka_unit_test(only_what_may_be_different_later_is_temporary),
        cmocka_unit_test(an_unknown_code_is_no_problem),
        cmocka_unit_test(a_report_without_more_has_the_title_as_its_detail),
        cmocka_unit_test(a_faulty_field_is_named_and_what_peers_wrote_is_escaped),
        cmocka_unit_test(a_report_may_have_another_status_and_a_time_to_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
