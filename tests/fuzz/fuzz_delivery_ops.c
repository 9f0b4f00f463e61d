/* A client's frame: it ends in one thing only, an answer, a close or a part of the daemon with values within their
 * bounds; and the short way of reading an ack tells the same as the long one. */
#include <inttypes.h>
#include <stdlib.h>

#include "services/delivery/delivery_auth.h"
#include "services/delivery/delivery_live.h"
#include "services/delivery/delivery_ops.h"
#include "services/delivery/delivery_presence.h"
#include "services/delivery/delivery_receipts.h"
#include "services/delivery/delivery_send.h"
#include "services/delivery/delivery_typing.h"
#include "services/delivery/delivery_watch_op.h"
#include "services/delivery/delivery_ws.h"
#include "shared/base/json_scan.h"

#define MAX_NUMBER   ((INT64_C(1) << 53) - 1)
#define MAX_ID_BYTES 64
#define MAX_IDS      3
#define LAST_SENT    1000 /* of the device: a larger ack is refused */

/* What the frame came to, and how many things that were. */
struct outcome {
    struct buffer told;
    int endings, violations;
    bool is_new, is_error;
};
static struct outcome *now;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void end_open(const char *what)
{
    require(!now->is_new);
    now->endings++;
    buffer_append_string(&now->told, what);
}

static void check_op_id(struct text id)
{
    require(id.data == NULL || (id.length >= 1 && id.length <= MAX_ID_BYTES && text_is_utf8(id)));
}

/* --- the parts of the daemon --- */

void delivery_auth_ask(struct delivery_auth *auth, struct connection *connection,
                       const struct delivery_auth_request *request)
{
    (void)auth;
    require(connection->state == CONNECTION_NEW);
    require(request->token.length >= 1 && request->token.length <= 256);
    require(text_is_utf8(request->token) && request->resume_session >= 0);
    require(request->resume_n >= 0 && request->resume_n <= MAX_NUMBER);
    now->endings++;
}

void delivery_send(struct delivery_sends *sends, struct connection *connection,
                   const struct delivery_submission *submission)
{
    static const char *const names[] = {[CHAT_EVENT_MESSAGE] = "send",
                                        [CHAT_EVENT_EDIT] = "edit",
                                        [CHAT_EVENT_DELETE] = "delete",
                                        [CHAT_EVENT_REACTION] = "react"};
    bool is_message = submission->type == CHAT_EVENT_MESSAGE;
    (void)sends, (void)connection;
    require(names[submission->type] != NULL);
    end_open(names[submission->type]);
    check_op_id(submission->id);
    require(submission->chat_id > 0 && submission->target <= MAX_NUMBER);
    require(is_message ? submission->id.data != NULL && submission->target >= 0
                       : submission->target >= 1);
    require(submission->client_id.length <= 128);
    require((submission->client_id.length >= 1) == is_message);
    require((submission->body.length > 0) == (is_message || submission->type == CHAT_EVENT_EDIT));
    require(submission->body.length + submission->detail.length <= CHAT_BODY_BYTES);
    buffer_append_text(&now->told, submission->body);
    buffer_append_text(&now->told, submission->detail);
}

void delivery_receipts_read(struct delivery_receipts *receipts, struct connection *connection,
                            struct text id, int64_t chat_id, int64_t seq)
{
    (void)receipts, (void)connection;
    end_open("read");
    check_op_id(id);
    require(chat_id > 0 && seq >= 1 && seq <= MAX_NUMBER);
    buffer_append_format(&now->told, " %" PRId64 " %" PRId64, chat_id, seq);
}

int64_t delivery_live_wait_s(struct connection *connection)
{
    (void)connection;
    return 0;
}

void delivery_watch_ask(struct delivery_service *service, struct connection *connection,
                        struct text id, const int64_t *chats, size_t count)
{
    (void)service, (void)connection;
    end_open("watch");
    check_op_id(id);
    require(count <= MAX_IDS);
    for (size_t i = 0; i < count; i++)
        require(chats[i] > 0);
}

void delivery_typing_say(struct delivery_typing *typing, struct connection *connection,
                         struct text id, int64_t chat_id, bool on)
{
    (void)typing, (void)connection;
    end_open(on ? "typing" : "typing no more");
    check_op_id(id);
    require(chat_id > 0);
}

void delivery_presence_follow(struct delivery_presence *presence, struct connection *connection,
                              struct text id, const int64_t *users, size_t count)
{
    (void)presence, (void)connection;
    end_open("presence");
    check_op_id(id);
    require(count <= MAX_IDS);
    for (size_t i = 0; i < count; i++)
        require(users[i] > 0);
}

void device_pass_by(struct device *device)
{
    (void)device;
}

bool device_ack(struct device *device, int64_t n)
{
    (void)device;
    require(n >= 0 && n <= MAX_NUMBER);
    if (n > LAST_SENT)
        return false;
    end_open("ack");
    buffer_append_format(&now->told, " %" PRId64 " ", n);
    return true;
}

/* --- the connection --- */

void delivery_ws_close(struct delivery_ws *ws, struct connection *connection, enum close_code code,
                       const char *reason)
{
    (void)ws;
    require(connection->state == CONNECTION_NEW && code == CLOSE_NOT_AUTHENTICATED);
    require(reason != NULL);
    now->endings++;
}

void delivery_ws_violation(struct delivery_ws *ws, struct connection *connection)
{
    (void)ws, (void)connection;
    now->violations++;
}

/* The answer to an ack is no ending of its own. The detail of an error may name a place, and is not compared. */
void delivery_ws_send(struct delivery_ws *ws, struct connection *connection, struct text json)
{
    struct json_fault fault;
    (void)ws, (void)connection;
    struct json_document *document = json_parse(json, &fault);
    require(document != NULL);
    struct json_reader reader = json_reader_start(document, "");
    struct text op = json_take_text(&reader, "op", JSON_REQUIRED, 1, 16);
    check_op_id(json_take_text(&reader, "id", JSON_OPTIONAL, 1, MAX_ID_BYTES));
    now->is_error = text_is(op, "error");
    now->endings += text_is(op, "error") || text_is(op, "pong") ? 1 : 0;
    buffer_append_text(
        &now->told, now->is_error ? json_take_text(&reader, "code", JSON_REQUIRED, 1, 64) : json);
    json_destroy(&document);
}

/* --- the target --- */

static void take(struct outcome *outcome, bool is_new, struct text message)
{
    struct delivery_service service = {.draining = false};
    struct connection connection = {.state = is_new ? CONNECTION_NEW : CONNECTION_OPEN};
    *outcome = (struct outcome){.told = BUFFER_EMPTY, .is_new = is_new};
    now = outcome;
    delivery_ops_take(&service, &connection, message);
    require(outcome->endings == 1);
    require(outcome->violations == (outcome->is_error ? 1 : 0));
}

/* The first byte says whether the connection is new. With a space behind it, no ack is plain any more. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome as_it_is, with_space;
    struct buffer message = BUFFER_EMPTY;
    limits.max_op_id_bytes = MAX_ID_BYTES;
    limits.max_watched_chats = limits.max_followed_users = MAX_IDS;
    if (size == 0)
        return 0;
    bool is_new = data[0] == 'n';
    buffer_append(&message, data + 1, size - 1);
    take(&as_it_is, is_new, (struct text){message.data, message.length});
    buffer_append_string(&message, " ");
    take(&with_space, is_new, buffer_text(&message));
    require(text_equal(buffer_text(&as_it_is.told), buffer_text(&with_space.told)));
    buffer_deinit(&as_it_is.told);
    buffer_deinit(&with_space.told);
    buffer_deinit(&message);
    return 0;
}
