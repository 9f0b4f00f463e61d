/* Profiles: one's own with its privacy switches, another's, search by the beginning of the username. */
#include "services/user/user_answer.h"
#include "services/user/user_handlers.h"
#include "services/user/user_names.h"
#include "services/user/user_service.h"

#define AVATAR_MAX_BYTES 2048

static void on_profile(void *context, enum problem problem, const struct user_account *account)
{
    struct http_request *request = context;
    if (problem == PROBLEM_NONE)
        user_answer_account(request, 200, account);
    else
        user_answer_problem(request, problem);
}

/* One's own account can only be missing when it was erased a moment ago. */
static void on_own_profile(void *context, enum problem problem, const struct user_account *account)
{
    struct http_request *request = context;
    if (problem == PROBLEM_NONE)
        user_answer_own_account(request, account);
    else
        user_answer_problem(request, problem == PROBLEM_NOT_FOUND ? PROBLEM_UNAUTHORIZED : problem);
}

void user_profile_own(void *service_, struct http_request *request)
{
    struct user_service *service = service_;
    user_store_account(service->store, http_identity(request)->user_id, on_own_profile, request);
}

void user_profile_get(void *service_, struct http_request *request)
{
    struct user_service *service = service_;
    user_store_account(service->store, http_path_id(request, "id"), on_profile, request);
}

/* --- PATCH /v1/users/me --- */

static void on_updated(void *context, enum problem problem, const struct user_account *account,
                       int64_t head)
{
    struct http_request *request = context;
    struct user_service *service = http_service(request);
    user_changes_note(service->changes, head);
    on_own_profile(request, problem, account);
}

/* A switch is told the other way round than it is kept: true is what is usual, and no flag. */
static void take_switch(struct json_reader *privacy, const char *name, enum user_flag flag,
                        struct user_profile_change *change)
{
    if (!json_has(privacy, name))
        return;
    change->set_flags |= flag;
    if (!json_take_bool(privacy, name, JSON_OPTIONAL))
        change->flags |= flag;
}

void user_profile_update(void *service_, struct http_request *request)
{
    struct user_service *service = service_;
    struct user_profile_change change = {.set_avatar = false};
    bool avatar_is_null = false;
    struct json_reader body = http_body(request);
    change.display_name =
        json_take_text(&body, "display_name", JSON_OPTIONAL, 1, USER_DISPLAY_NAME_MAX_BYTES);
    change.avatar = json_take_text_or_null(&body, "avatar", AVATAR_MAX_BYTES, &avatar_is_null);
    change.set_avatar = json_has(&body, "avatar");
    if (change.set_avatar && !avatar_is_null && change.avatar.length == 0)
        json_reader_fail(&body, "avatar", "must be 1 to 2048 bytes, or null for none");
    struct json_reader privacy = json_take_object(&body, "privacy", JSON_OPTIONAL);
    take_switch(&privacy, "read_receipts", USER_HIDES_READS, &change);
    take_switch(&privacy, "presence", USER_HIDES_PRESENCE, &change);
    if (!http_body_finish(request, &body) || !http_body_finish(request, &privacy))
        return;
    if (avatar_is_null)
        change.avatar = TEXT_NONE;
    user_store_update(service->store, http_identity(request)->user_id, &change, on_updated,
                      request);
}

/* --- GET /v1/users?q= --- */

static void write_found(struct buffer *out, const struct identity *caller, const void *item)
{
    (void)caller;
    user_write_account(out, item);
}

static void write_cursor(const void *item, char out[USER_CURSOR_SIZE])
{
    const struct user_account *account = item;
    user_cursor_write_name(account->username, out);
}

static void on_found(void *context, enum problem problem, const struct user_account *accounts,
                     size_t count)
{
    static const struct user_list list = {sizeof *accounts, write_found, write_cursor};
    user_page_answer(context, problem, &list, accounts, count);
}

void user_profile_search(void *service_, struct http_request *request)
{
    struct user_service *service = service_;
    char prefix[USERNAME_SIZE];
    struct text q = http_query(request, "q");
    struct user_page *page = arena_alloc(http_arena(request), sizeof *page);
    if (q.length < 1 || q.length > USERNAME_MAX_BYTES) {
        http_fail_field(request, "/query/q", "must be 1 to 32 bytes of a username's beginning");
        return;
    }
    if (!user_page_by_name(request, page))
        return;
    const struct user_account nobody = {0};
    if (username_normalise(q, prefix))
        user_store_search(service->store, text_of(prefix), page->after, page->limit + 1, on_found,
                          page);
    else /* no username can begin like this */
        on_found(page, PROBLEM_NONE, &nobody, 0);
}
