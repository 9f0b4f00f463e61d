/* The table of errors as data, and the JSON of RFC 9457. */
#include "shared/net/problem.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "shared/base/json.h"

#define X(name, code, status, temporary, title) \
    [PROBLEM_##name] = {(code), (status), (temporary), (title)},
static const struct problem_info problems[PROBLEM_COUNT] = {PROBLEM_TABLE(X)};
#undef X

const struct problem_info *problem_info(enum problem problem)
{
    assert(problem > PROBLEM_NONE && problem < PROBLEM_COUNT);
    return &problems[problem];
}

enum problem problem_of_code(const char *code)
{
    for (int i = PROBLEM_NONE + 1; i < PROBLEM_COUNT; i++) {
        if (strcmp(problems[i].code, code) == 0)
            return (enum problem)i;
    }
    return PROBLEM_NONE;
}

static void put_string(struct buffer *out, const char *name, const char *value)
{
    buffer_append_format(out, "\"%s\":", name);
    json_write_string(out, text_of(value));
}

static void put_optional(const struct problem_report *report, struct buffer *out)
{
    if (report->request_id != NULL) {
        buffer_append_string(out, ",");
        put_string(out, "request_id", report->request_id);
    }
    if (report->retry_after_s > 0) {
        buffer_append_string(out, ",\"retry_after\":");
        buffer_append_number(out, report->retry_after_s);
    }
    if (report->pointer != NULL) {
        buffer_append_string(out, ",\"errors\":[{");
        put_string(out, "pointer", report->pointer);
        buffer_append_string(out, ",");
        put_string(out, "reason", report->reason);
        buffer_append_string(out, "}]");
    }
}

void problem_write(const struct problem_report *report, struct buffer *out)
{
    const struct problem_info *info = problem_info(report->problem);
    buffer_append_format(out, "{\"type\":\"/docs/errors/%s\",", info->code);
    put_string(out, "title", info->title);
    buffer_append_format(out, ",\"status\":%d,",
                         report->status != 0 ? report->status : info->status);
    put_string(out, "detail", report->detail != NULL ? report->detail : info->title);
    buffer_append_format(out, ",\"code\":\"%s\",\"temporary\":%s", info->code,
                         info->temporary ? "true" : "false");
    put_optional(report, out);
    buffer_append_string(out, "}");
}
