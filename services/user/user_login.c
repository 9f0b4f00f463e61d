/* POST /v1/sessions: look the account up, take one of its tries, hold the password against the hash, and open the
 * session.
 *
 * An unknown username goes the same way with a hash of nothing, so that neither the answer nor its time tells who has
 * an account. Who logs in again on a device of the account has tries of their own: guessing at an account does not lock
 * its owner out of the devices they already have. */
#include "services/user/user_answer.h"
#include "services/user/user_handlers.h"
#include "services/user/user_names.h"
#include "services/user/user_service.h"
#include "services/user/user_settings.h"
#include "services/user/user_tries.h"
#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/daemon/authenticator.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>

#define TOKEN_BYTES   32
#define TOKEN_VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define TOKEN_SIZE    sodium_base64_ENCODED_LEN(TOKEN_BYTES, TOKEN_VARIANT) /* 43 and the terminator */
#define DAY_MS        (24LL * 3600 * 1000)
#define GIVEN_NAME_MAX_BYTES \
    128 /* a longer one is bad_request; one that cannot be is merely unknown */

/* Lies in the request's arena, as do its texts. */
struct login {
    struct user_service *service;
    struct http_request *request;
    struct text username; /* normalised; as given when it cannot be one */
    struct text password;
    int64_t device_id; /* 0: a new one */
    struct text device_name;
    struct text limit_name;
    bool is_known;
    bool owns_device;
    struct user_account account;
    struct text password_hash;
    struct user_login session;
    char token[TOKEN_SIZE];
    unsigned char token_hash[TOKEN_HASH_BYTES];
};

#define OUTCOME(outcome)                                                         \
    {                                                                            \
        .name = "parley_user_logins_total", .labels = "outcome=\"" outcome "\"", \
        .help = "Logins by outcome.", .kind = METRIC_COUNTER                     \
    }
static struct metric opened_metric = OUTCOME("opened");
static struct metric refused_metric = OUTCOME("refused");
static struct metric limited_metric = OUTCOME("limited");
static struct metric unavailable_metric = OUTCOME("unavailable");

static void count(struct metric *metric)
{
    metrics_register(metric);
    metric_add(metric, 1);
}

static void answer_unavailable(struct login *login, const char *detail)
{
    count(&unavailable_metric);
    http_fail_retry(login->request, PROBLEM_UNAVAILABLE, detail, 1);
}

static void answer_refused(struct login *login)
{
    count(&refused_metric);
    log_warning("login_refused", LOG_STRING("request", http_request_id(login->request)),
                LOG_ID("user", login->account.user_id));
    http_fail(login->request, PROBLEM_UNAUTHORIZED, "The username or the password is wrong.");
}

/* --- the session --- */

static void make_token(struct login *login)
{
    unsigned char secret[TOKEN_BYTES];
    randombytes_buf(secret, sizeof secret);
    sodium_bin2base64(login->token, sizeof login->token, secret, sizeof secret, TOKEN_VARIANT);
    mem_wipe(secret, sizeof secret);
    bool hashed = token_hash(text_of(login->token), login->token_hash);
    assert(hashed);
    (void)hashed;
}

static void answer_opened(struct login *login, const struct user_logged_in *logged_in)
{
    struct buffer body = BUFFER_EMPTY;
    buffer_append_format(&body, "{\"token\":\"%s\",\"expires_at\":", login->token);
    mem_wipe(login->token, sizeof login->token);
    json_write_time(&body, login->session.expires_at_ms);
    buffer_append_string(&body, ",\"user\":");
    user_write_account(&body, &login->account);
    buffer_append_string(&body, ",\"device\":{\"id\":");
    json_write_id(&body, logged_in->device_id);
    buffer_append_string(&body, ",\"name\":");
    json_write_string(&body, logged_in->device_name);
    buffer_append_string(&body, "}}");
    http_add_header(login->request, "Cache-Control", "no-store");
    http_reply_json(login->request, 201, &body);
    mem_wipe(body.data, body.length);
    buffer_deinit(&body);
}

/* Devices that are logged out make room by themselves. */
static void answer_no_room(struct http_request *request)
{
    char detail[128];
    snprintf(detail, sizeof detail,
             "All %lld devices that an account may have are logged in. End a session or remove a "
             "device first.",
             (long long)limits.max_devices_per_user);
    http_fail(request, PROBLEM_CONFLICT, detail);
}

static void on_logged_in(void *context, enum problem problem,
                         const struct user_logged_in *logged_in)
{
    struct login *login = context;
    if (problem == PROBLEM_NONE) {
        count(&opened_metric);
        user_changes_note(login->service->changes, logged_in->head);
        log_info("session_opened", LOG_ID("user", login->account.user_id),
                 LOG_ID("device", logged_in->device_id),
                 LOG_ID("session", login->session.session_id));
        answer_opened(login, logged_in);
        return;
    }
    mem_wipe(login->token, sizeof login->token); /* before the answer, with which login is freed */
    if (problem == PROBLEM_UNAUTHORIZED) {
        answer_refused(login);
    } else if (problem == PROBLEM_NOT_FOUND) {
        count(&refused_metric);
        http_fail(login->request, problem, "This account has no device with this id.");
    } else if (problem == PROBLEM_CONFLICT) {
        count(&refused_metric);
        answer_no_room(login->request);
    } else {
        count(&unavailable_metric);
        user_answer_problem(login->request, problem);
    }
}

static void open_session(struct login *login)
{
    int64_t now_ms = clock_wall_ms();
    make_token(login);
    login->session = (struct user_login){
        .user_id = login->account.user_id,
        .password_hash = login->password_hash,
        .device_id = login->device_id,
        .new_device_id = id_random(),
        .device_name = login->device_name,
        .session_id = id_random(),
        .token_hash = {(const char *)login->token_hash, sizeof login->token_hash},
        .now_ms = now_ms,
        .expires_at_ms = now_ms + user_settings.session_days * DAY_MS,
    };
    user_store_login(login->service->store, &login->session, on_logged_in, login);
}

/* --- the password --- */

static void on_verified(void *context, enum user_password_outcome outcome, const char *hash)
{
    struct login *login = context;
    (void)hash;
    if (outcome == USER_PASSWORD_WRONG) {
        answer_refused(login);
        return;
    }
    user_tries_give_back(login->service, login->limit_name);
    if (outcome == USER_PASSWORD_DONE && login->is_known)
        open_session(login);
    else
        answer_unavailable(login, "Too many passwords are being checked.");
}

/* The kinds of names cannot meet: no username holds a space, but what is given here may be anything. */
static void name_limit(struct login *login)
{
    char name[RATE_LIMIT_KEY_BYTES];
    if (login->owns_device)
        snprintf(name, sizeof name, "device %lld", (long long)login->device_id);
    else
        snprintf(name, sizeof name, "name %.*s", TEXT_PRINT(login->username));
    login->limit_name = arena_text(http_arena(login->request), text_of(name));
}

static void remember_account(struct login *login, const struct user_credentials *credentials)
{
    struct arena *arena = http_arena(login->request);
    login->is_known = true;
    login->owns_device = credentials->owns_device;
    login->password_hash = arena_text(arena, credentials->password_hash);
    login->account = credentials->account;
    login->account.username = arena_text(arena, login->account.username);
    login->account.display_name = arena_text(arena, login->account.display_name);
    if (login->account.avatar.data != NULL)
        login->account.avatar = arena_text(arena, login->account.avatar);
}

static void on_credentials(void *context, enum problem problem,
                           const struct user_credentials *credentials)
{
    struct login *login = context;
    if (problem == PROBLEM_NONE) {
        remember_account(login, credentials);
    } else if (problem != PROBLEM_NOT_FOUND) {
        answer_unavailable(login, "The database did not answer. Try again.");
        return;
    }
    name_limit(login);
    if (!user_tries_take(login->service, login->request, login->limit_name)) {
        count(&limited_metric);
        return;
    }
    if (!user_passwords_verify(login->service->passwords, login->password, login->password_hash,
                               on_verified, login)) {
        user_tries_give_back(login->service, login->limit_name);
        answer_unavailable(login, "Too many passwords are being checked.");
    }
}

/* --- the request --- */

static bool read_request(struct login *login, struct text *given_out)
{
    struct json_reader body = http_body(login->request);
    *given_out = json_take_text(&body, "username", JSON_REQUIRED, 1, GIVEN_NAME_MAX_BYTES);
    login->password = json_take_text(&body, "password", JSON_REQUIRED, 1, USER_PASSWORD_MAX_BYTES);
    struct json_reader device = json_take_object(&body, "device", JSON_OPTIONAL);
    login->device_id = json_take_id(&device, "id", JSON_OPTIONAL);
    login->device_name =
        json_take_text(&device, "name", JSON_OPTIONAL, 0, USER_DEVICE_NAME_MAX_BYTES);
    return http_body_finish(login->request, &body) && http_body_finish(login->request, &device);
}

void user_login_open(void *service, struct http_request *request)
{
    char username[USERNAME_SIZE];
    struct text given;
    struct login *login = arena_alloc(http_arena(request), sizeof *login);
    login->service = service;
    login->request = request;
    if (!read_request(login, &given))
        return;
    /* A name that no account can have is looked up all the same, as itself: there is none, and it takes as long. */
    login->username = username_normalise(given, username)
                          ? arena_text(http_arena(request), text_of(username))
                          : given;
    user_store_credentials(login->service->store, login->username, login->device_id, on_credentials,
                           login);
}
