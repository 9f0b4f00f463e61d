#include "services/user/user_answer.h"

#include "services/user/user_names.h"
#include "shared/daemon/daemon.h"

#include <endian.h>
#include <sodium.h>
#include <string.h>

#define CURSOR_MAX_BYTES 64 /* decoded */
#define CURSOR_VARIANT   sodium_base64_VARIANT_URLSAFE_NO_PADDING

void user_write_account(struct buffer *out, const struct user_account *account)
{
    buffer_append_string(out, "{\"id\":");
    json_write_id(out, account->user_id);
    buffer_append_string(out, ",\"username\":");
    json_write_string(out, account->username);
    buffer_append_string(out, ",\"display_name\":");
    json_write_string(out, account->display_name);
    if (account->avatar.data != NULL) {
        buffer_append_string(out, ",\"avatar\":");
        json_write_string(out, account->avatar);
    }
    buffer_append_string(out, ",\"created_at\":");
    json_write_time(out, account->created_at_ms);
    buffer_append_string(out, "}");
}

void user_answer_account(struct http_request *request, int status,
                         const struct user_account *account)
{
    struct buffer body = BUFFER_EMPTY;
    user_write_account(&body, account);
    http_reply_json(request, status, &body);
    buffer_deinit(&body);
}

void user_answer_problem(struct http_request *request, enum problem problem)
{
    switch (problem) {
    case PROBLEM_UNAVAILABLE:
        http_fail(request, problem, "The database did not answer. Try again.");
        break;
    case PROBLEM_UNAUTHORIZED:
        http_fail(request, problem, "The account or the session is gone. Log in again.");
        break;
    case PROBLEM_NOT_FOUND:
        http_fail(request, problem, "There is nothing with this id.");
        break;
    default:
        http_fail(request, problem, "The request could not be carried out.");
        break;
    }
}

/* --- pages --- */

/* Decodes the cursor into `bytes`; *length_out is 0 without one. */
static bool read_cursor(struct http_request *request, char bytes[CURSOR_MAX_BYTES],
                        size_t *length_out)
{
    struct text cursor = http_query(request, "cursor");
    const char *end = NULL;
    *length_out = 0;
    if (cursor.data == NULL)
        return true;
    if (sodium_base642bin((unsigned char *)bytes, CURSOR_MAX_BYTES, cursor.data, cursor.length,
                          NULL, length_out, &end, CURSOR_VARIANT) != 0 ||
        end != cursor.data + cursor.length || *length_out == 0) {
        http_fail_field(request, "/query/cursor", "must be a next_cursor of this list");
        return false;
    }
    return true;
}

static bool read_limit(struct http_request *request, struct user_page *page_out)
{
    *page_out = (struct user_page){.request = request, .before = {INT64_MAX, INT64_MAX}};
    return http_query_number(request, "limit", 1, limits.max_page, limits.default_page,
                             &page_out->limit);
}

bool user_page_by_time(struct http_request *request, struct user_page *page_out)
{
    char bytes[CURSOR_MAX_BYTES];
    uint64_t position[2];
    size_t length;
    if (!read_limit(request, page_out) || !read_cursor(request, bytes, &length))
        return false;
    if (length == 0)
        return true;
    if (length != sizeof position) {
        http_fail_field(request, "/query/cursor", "must be a next_cursor of this list");
        return false;
    }
    memcpy(position, bytes, sizeof position);
    page_out->before.at_ms = (int64_t)be64toh(position[0]);
    page_out->before.id = (int64_t)be64toh(position[1]);
    return true;
}

bool user_page_by_name(struct http_request *request, struct user_page *page_out)
{
    char bytes[CURSOR_MAX_BYTES], name[USERNAME_SIZE];
    size_t length;
    if (!read_limit(request, page_out) || !read_cursor(request, bytes, &length))
        return false;
    if (length == 0)
        return true;
    if (!username_normalise((struct text){bytes, length}, name)) {
        http_fail_field(request, "/query/cursor", "must be a next_cursor of this list");
        return false;
    }
    page_out->after = arena_text(http_arena(request), text_of(name));
    return true;
}

static void write_end(struct buffer *out, bool more, const void *cursor, size_t length)
{
    char encoded[sodium_base64_ENCODED_LEN(CURSOR_MAX_BYTES, CURSOR_VARIANT)];
    if (!more) {
        buffer_append_string(out, "],\"next_cursor\":null}");
        return;
    }
    sodium_bin2base64(encoded, sizeof encoded, cursor, length, CURSOR_VARIANT);
    buffer_append_format(out, "],\"next_cursor\":\"%s\"}", encoded);
}

void user_page_end_by_time(struct buffer *out, bool more, struct user_position last)
{
    uint64_t position[2] = {htobe64((uint64_t)last.at_ms), htobe64((uint64_t)last.id)};
    write_end(out, more, position, sizeof position);
}

void user_page_end_by_name(struct buffer *out, bool more, struct text last)
{
    write_end(out, more, last.data, last.length);
}
