/* Making an account, replacing its password, erasing it. */
#include "services/user/user_answer.h"
#include "services/user/user_catch_up.h"
#include "services/user/user_handlers.h"
#include "services/user/user_names.h"
#include "services/user/user_service.h"
#include "services/user/user_tries.h"
#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/log.h"

/* What lasts as long as its request lies in the request's arena. */
struct registration {
    struct user_service *service;
    struct http_request *request;
    struct user_account account;
};

static void answer_full(struct http_request *request)
{
    http_fail_retry(request, PROBLEM_UNAVAILABLE, "Too many passwords are being checked.", 1);
}

/* --- POST /v1/users --- */

static void on_registered(void *context, enum problem problem)
{
    struct registration *registration = context;
    if (problem == PROBLEM_USERNAME_TAKEN) {
        http_fail(registration->request, problem, "Another account has this username.");
    } else if (problem != PROBLEM_NONE) {
        user_answer_problem(registration->request, problem);
    } else {
        log_info("account_created", LOG_ID("user", registration->account.user_id));
        user_answer_account(registration->request, 201, &registration->account);
    }
}

static void on_password_hashed(void *context, enum user_password_outcome outcome, const char *hash)
{
    struct registration *registration = context;
    if (outcome != USER_PASSWORD_DONE) {
        answer_full(registration->request);
        return;
    }
    user_store_register(registration->service->store, &registration->account, text_of(hash),
                        on_registered, registration);
}

/* Answers a username or a password that may not be, and returns false. */
static bool check_names(struct http_request *request, struct text username, struct text password,
                        char normalised[USERNAME_SIZE])
{
    if (!username_normalise(username, normalised)) {
        http_fail_field(request, "/body/username", "must be letters, digits, '.', '_' and '-'");
        return false;
    }
    const char *refusal = password_refusal(password, text_of(normalised));
    if (refusal != NULL) {
        http_fail_field(request, "/body/password", refusal);
        return false;
    }
    return true;
}

void user_accounts_register(void *service_, struct http_request *request)
{
    struct user_service *service = service_;
    char username[USERNAME_SIZE];
    struct json_reader body = http_body(request);
    struct text given =
        json_take_text(&body, "username", JSON_REQUIRED, USERNAME_MIN_BYTES, USERNAME_MAX_BYTES);
    struct text password = json_take_text(&body, "password", JSON_REQUIRED, USER_PASSWORD_MIN_BYTES,
                                          USER_PASSWORD_MAX_BYTES);
    struct text display_name =
        json_take_text(&body, "display_name", JSON_OPTIONAL, 1, USER_DISPLAY_NAME_MAX_BYTES);
    if (!http_body_finish(request, &body) || !check_names(request, given, password, username))
        return;
    struct arena *arena = http_arena(request);
    struct registration *registration = arena_alloc(arena, sizeof *registration);
    registration->service = service;
    registration->request = request;
    registration->account.user_id = id_random();
    registration->account.username = arena_text(arena, text_of(username));
    registration->account.display_name = display_name.data != NULL ? arena_text(arena, display_name)
                                                                   : registration->account.username;
    registration->account.created_at_ms = clock_wall_ms();
    if (!user_passwords_hash(service->passwords, password, on_password_hashed, registration))
        answer_full(request);
}

/* --- PUT /v1/users/me/password --- */

struct replacement {
    struct user_service *service;
    struct http_request *request;
    struct text limit_name;
    struct text old_password;
    struct text new_password;
    struct text old_hash;
};

static void on_replaced(void *context, enum problem problem, int64_t head)
{
    struct replacement *replacement = context;
    if (problem == PROBLEM_FORBIDDEN) {
        http_fail(replacement->request, problem, "The password was changed in the meantime.");
    } else if (problem != PROBLEM_NONE) {
        user_answer_problem(replacement->request, problem);
    } else {
        user_changes_note(replacement->service->changes, head);
        log_info("password_changed", LOG_ID("user", http_identity(replacement->request)->user_id));
        http_reply_empty(replacement->request);
    }
}

static void on_new_hashed(void *context, enum user_password_outcome outcome, const char *hash)
{
    struct replacement *replacement = context;
    const struct identity *identity = http_identity(replacement->request);
    if (outcome != USER_PASSWORD_DONE) {
        answer_full(replacement->request);
        return;
    }
    user_store_change_password(replacement->service->store, identity->user_id,
                               replacement->old_hash, text_of(hash), identity->session_id,
                               on_replaced, replacement);
}

static void on_old_verified(void *context, enum user_password_outcome outcome, const char *hash)
{
    struct replacement *replacement = context;
    (void)hash;
    if (outcome == USER_PASSWORD_WRONG) {
        http_fail(replacement->request, PROBLEM_FORBIDDEN, "The old password is wrong.");
        return;
    }
    user_tries_give_back(replacement->service, replacement->limit_name);
    if (outcome != USER_PASSWORD_DONE ||
        !user_passwords_hash(replacement->service->passwords, replacement->new_password,
                             on_new_hashed, replacement))
        answer_full(replacement->request);
}

static void on_own_credentials(void *context, enum problem problem,
                               const struct user_credentials *credentials)
{
    struct replacement *replacement = context;
    struct http_request *request = replacement->request;
    const char *refusal = NULL;
    if (problem == PROBLEM_NONE)
        refusal = password_refusal(replacement->new_password, credentials->account.username);
    if (problem == PROBLEM_NONE && refusal == NULL) {
        replacement->old_hash = arena_text(http_arena(request), credentials->password_hash);
        if (user_passwords_verify(replacement->service->passwords, replacement->old_password,
                                  replacement->old_hash, on_old_verified, replacement))
            return;
    }
    user_tries_give_back(replacement->service, replacement->limit_name);
    if (refusal != NULL)
        http_fail_field(request, "/body/new_password", refusal);
    else if (problem == PROBLEM_NONE)
        answer_full(request);
    else
        user_answer_problem(request, problem == PROBLEM_NOT_FOUND ? PROBLEM_UNAUTHORIZED : problem);
}

/* Who holds a stolen token must not be able to guess the password at leisure: tries are counted as at login. */
void user_accounts_change_password(void *service, struct http_request *request)
{
    struct json_reader body = http_body(request);
    struct arena *arena = http_arena(request);
    struct replacement *replacement = arena_alloc(arena, sizeof *replacement);
    char name[RATE_LIMIT_KEY_BYTES] = "password ";
    int64_t user_id = http_identity(request)->user_id;
    replacement->service = service;
    replacement->request = request;
    replacement->old_password =
        json_take_text(&body, "old_password", JSON_REQUIRED, 1, USER_PASSWORD_MAX_BYTES);
    replacement->new_password = json_take_text(&body, "new_password", JSON_REQUIRED,
                                               USER_PASSWORD_MIN_BYTES, USER_PASSWORD_MAX_BYTES);
    if (!http_body_finish(request, &body))
        return;
    id_format(user_id, name + sizeof "password " - 1);
    replacement->limit_name = arena_text(arena, text_of(name));
    if (user_tries_take(replacement->service, request, replacement->limit_name))
        user_store_credentials_of(replacement->service->store, user_id, on_own_credentials,
                                  replacement);
}

/* --- DELETE /v1/users/me --- */

static void on_erased(void *context, enum problem problem, int64_t head)
{
    struct http_request *request = context;
    if (problem != PROBLEM_NONE) {
        user_answer_problem(request, problem);
        return;
    }
    log_info("account_erased", LOG_ID("user", http_identity(request)->user_id));
    user_catch_up(http_service(request), request, head);
}

void user_accounts_erase(void *service_, struct http_request *request)
{
    struct user_service *service = service_;
    user_store_erase(service->store, http_identity(request)->user_id, on_erased, request);
}
