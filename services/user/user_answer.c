#include "services/user/user_answer.h"

#include "shared/daemon/daemon.h"

/* The members of the object, without its end. */
static void write_members(struct buffer *out, const struct user_account *account)
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
}

void user_write_account(struct buffer *out, const struct user_account *account)
{
    write_members(out, account);
    buffer_append_string(out, "}");
}

void user_answer_own_account(struct http_request *request, const struct user_account *account)
{
    struct buffer body = BUFFER_EMPTY;
    write_members(&body, account);
    buffer_append_format(&body, ",\"privacy\":{\"read_receipts\":%s,\"presence\":%s}}",
                         account->flags & USER_HIDES_READS ? "false" : "true",
                         account->flags & USER_HIDES_PRESENCE ? "false" : "true");
    http_reply_json(request, 200, &body);
    buffer_deinit(&body);
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

static bool read_limit(struct http_request *request, struct user_page *page_out)
{
    *page_out = (struct user_page){.request = request, .before = {INT64_MAX, INT64_MAX}};
    return http_query_number(request, "limit", 1, limits.max_page, limits.default_page,
                             &page_out->limit);
}

static bool fail_cursor(struct http_request *request)
{
    http_fail_field(request, "/query/cursor", "must be a next_cursor of this list");
    return false;
}

bool user_page_by_time(struct http_request *request, struct user_page *page_out)
{
    if (!read_limit(request, page_out))
        return false;
    struct text cursor = http_query(request, "cursor");
    return cursor.data == NULL || user_cursor_read_time(cursor, &page_out->before) ||
           fail_cursor(request);
}

bool user_page_by_name(struct http_request *request, struct user_page *page_out)
{
    char name[USERNAME_SIZE];
    if (!read_limit(request, page_out))
        return false;
    struct text cursor = http_query(request, "cursor");
    if (cursor.data == NULL)
        return true;
    if (!user_cursor_read_name(cursor, name))
        return fail_cursor(request);
    page_out->after = arena_text(http_arena(request), text_of(name));
    return true;
}

void user_page_answer(const struct user_page *page, enum problem problem,
                      const struct user_list *list, const void *items, size_t count)
{
    const char *item = items;
    char cursor[USER_CURSOR_SIZE];
    if (problem != PROBLEM_NONE) {
        user_answer_problem(page->request, problem);
        return;
    }
    struct buffer body = BUFFER_EMPTY;
    size_t shown = count > (size_t)page->limit ? (size_t)page->limit : count;
    buffer_append_string(&body, "{\"items\":[");
    for (size_t i = 0; i < shown; i++, item += list->item_bytes) {
        if (i > 0)
            buffer_append_string(&body, ",");
        list->write_item(&body, http_identity(page->request), item);
    }
    if (count > shown) {
        list->write_cursor(item - list->item_bytes, cursor);
        buffer_append_format(&body, "],\"next_cursor\":\"%s\"}", cursor);
    } else {
        buffer_append_string(&body, "],\"next_cursor\":null}");
    }
    http_reply_json(page->request, 200, &body);
    buffer_deinit(&body);
}
