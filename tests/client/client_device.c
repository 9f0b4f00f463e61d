#include "tests/client/client_device.h"

#include <cjson/cJSON.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"

#define RETRY_SEND_MS       150
#define ANSWER_DEADLINE_MS  15000 /* of a send: then it is lost, and sent again */
#define SWEEP_MS            1000
#define CLOSE_PROTOCOL      1002
#define RECONNECT_MIN_MS    50
#define RECONNECT_SPREAD_MS 250 /* doubled for each try that failed, up to RECONNECT_MAX_MS */
#define RECONNECT_MAX_MS    2000
#define READY_DEADLINE_S    15

enum device_state {
    DEVICE_OFFLINE,
    DEVICE_CONNECTING,
    DEVICE_UPGRADING,
    DEVICE_AUTHENTICATING,
    DEVICE_READY
};

struct outgoing {
    char *chat, *client_id, *text;
    char op[CLIENT_OP_SIZE]; /* of the try that is on the wire */
    bool on_the_wire;
    int64_t sent_ms;
    struct outgoing *next;
};

struct device {
    struct event_base *base;
    char *host;
    uint16_t port;
    char *token;
    struct device_callbacks callbacks;
    void *context;
    enum device_state state;
    struct device_manners manners;
    int64_t connection;
    uint32_t failed_tries; /* to connect, in a row */
    bool wanted;
    struct bufferevent *socket;
    wslay_event_context_ptr frames;
    struct event *reconnect, *ack_timer, *resend, *sweep;
    char session[32]; /* for resume */
    int64_t received_n, acked_n;
    struct outgoing *outbox; /* in order, until answered */
    struct outgoing **outbox_end;
};

struct device_statistics device_statistics;
const struct device_manners device_good_manners = {.ack_events = 16, .ack_delay_ms = 30};

void client_new_op(char op_out[CLIENT_OP_SIZE])
{
    static uint64_t last;
    snprintf(op_out, CLIENT_OP_SIZE, "o%llu", (unsigned long long)++last);
}

static struct device_send send_of(const struct outgoing *item)
{
    return (struct device_send){item->op, item->chat, item->client_id, item->text};
}

static void connect_now(struct device *device);

static void start_timer(struct event *timer, int delay_ms)
{
    struct timeval delay = {delay_ms / 1000, (delay_ms % 1000) * 1000};
    evtimer_add(timer, &delay);
}

/* The try is over without an answer: the message stays in the outbox, to be tried again. */
static void lose_try(struct device *device, struct outgoing *item, const char *why)
{
    struct device_send send = send_of(item);
    item->on_the_wire = false;
    if (device->callbacks.on_lost != NULL)
        device->callbacks.on_lost(device->context, &send, why);
}

static void drop(struct device *device, int code)
{
    bool was_connecting = device->state != DEVICE_OFFLINE;
    if (device->socket != NULL)
        bufferevent_free(device->socket);
    if (device->frames != NULL)
        wslay_event_context_free(device->frames);
    device->socket = NULL;
    device->frames = NULL;
    device->state = DEVICE_OFFLINE;
    evtimer_del(device->ack_timer);
    evtimer_del(device->resend);
    evtimer_del(device->sweep);
    if (was_connecting && device->callbacks.on_closed != NULL)
        device->callbacks.on_closed(device->context, device->connection, code);
    for (struct outgoing *item = device->outbox; item != NULL; item = item->next)
        if (item->on_the_wire)
            lose_try(device, item, "lost");
}

static void lose(struct device *device, int code)
{
    drop(device, code);
    if (!device->wanted)
        return;
    uint32_t spread_ms = RECONNECT_SPREAD_MS
                         << (device->failed_tries < 3 ? device->failed_tries : 3);
    device->failed_tries++;
    start_timer(device->reconnect,
                RECONNECT_MIN_MS + (int)randombytes_uniform(spread_ms < RECONNECT_MAX_MS
                                                                ? spread_ms
                                                                : RECONNECT_MAX_MS));
}

/* --- frames out --- */

static void write_frame(struct device *device, cJSON *frame)
{
    char *text = cJSON_PrintUnformatted(frame);
    struct wslay_event_msg message = {WSLAY_TEXT_FRAME, (const uint8_t *)text, strlen(text)};
    wslay_event_queue_msg(device->frames, &message);
    wslay_event_send(device->frames);
    cJSON_free(text);
    cJSON_Delete(frame);
}

static cJSON *new_frame(const char *op)
{
    cJSON *frame = cJSON_CreateObject();
    cJSON_AddStringToObject(frame, "op", op);
    return frame;
}

static void write_auth(struct device *device)
{
    cJSON *frame = new_frame("auth");
    cJSON_AddStringToObject(frame, "token", device->token);
    if (device->session[0] != '\0') {
        cJSON *resume = cJSON_AddObjectToObject(frame, "resume");
        cJSON_AddStringToObject(resume, "session", device->session);
        cJSON_AddNumberToObject(resume, "n", (double)device->received_n);
    }
    write_frame(device, frame);
}

static void write_ack(struct device *device)
{
    cJSON *frame = new_frame("ack");
    if (device->callbacks.on_acking != NULL)
        device->callbacks.on_acking(device->context, device->connection, device->received_n);
    cJSON_AddNumberToObject(frame, "n", (double)device->received_n);
    device->acked_n = device->received_n;
    write_frame(device, frame);
}

static void write_send(struct device *device, struct outgoing *item)
{
    cJSON *frame = new_frame("send");
    client_new_op(item->op);
    struct device_send send = send_of(item);
    if (device->callbacks.on_sending != NULL)
        device->callbacks.on_sending(device->context, device->connection, &send);
    cJSON_AddStringToObject(frame, "id", item->op);
    cJSON_AddStringToObject(frame, "chat", item->chat);
    cJSON_AddStringToObject(frame, "client_id", item->client_id);
    cJSON *body = cJSON_AddObjectToObject(frame, "body");
    cJSON_AddStringToObject(body, "text", item->text);
    item->on_the_wire = true;
    item->sent_ms = clock_monotonic_ms();
    write_frame(device, frame);
}

static void flush_outbox(struct device *device)
{
    for (struct outgoing *item = device->outbox; item != NULL && device->state == DEVICE_READY;
         item = item->next)
        if (!item->on_the_wire)
            write_send(device, item);
}

static void on_ack_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct device *device = context;
    if (device->state == DEVICE_READY && device->acked_n < device->received_n)
        write_ack(device);
}

/* What was not answered in time is lost; it is sent again, with all that was sent behind it, so that the order stays. */
static void on_sweep(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct device *device = context;
    int64_t now_ms = clock_monotonic_ms();
    bool late = false;
    for (struct outgoing *item = device->outbox; item != NULL; item = item->next) {
        late = late || (item->on_the_wire && now_ms - item->sent_ms > ANSWER_DEADLINE_MS);
        if (late && item->on_the_wire)
            lose_try(device, item, "timeout");
    }
    flush_outbox(device);
    if (device->outbox != NULL)
        start_timer(device->sweep, SWEEP_MS);
}

static void on_resend(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    flush_outbox(context);
}

/* --- frames in --- */

static const char *string_of(const cJSON *frame, const char *name)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, name));
    return value == NULL ? "" : value;
}

static int64_t number_of(const cJSON *frame, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(frame, name);
    return cJSON_IsNumber(value) ? (int64_t)value->valuedouble : 0;
}

static void got_ready(struct device *device, const cJSON *frame)
{
    const char *state = string_of(frame, "state");
    device->state = DEVICE_READY;
    device->failed_tries = 0;
    device_statistics.connects++;
    if (strcmp(state, "resumed") == 0)
        device_statistics.resumed++;
    else
        device->received_n = device->acked_n = 0;
    snprintf(device->session, sizeof device->session, "%s", string_of(frame, "session"));
    if (device->callbacks.on_ready != NULL)
        device->callbacks.on_ready(device->context, device->connection, frame);
    device_statistics.inboxes += strcmp(state, "inbox") == 0;
    if (strcmp(state, "resync") == 0) {
        device_statistics.resyncs++;
        device->callbacks.on_resync(device->context, device->connection);
    }
    flush_outbox(device);
    start_timer(device->sweep, SWEEP_MS);
}

static void got_event(struct device *device, const cJSON *frame)
{
    device_statistics.frames++;
    device->received_n = number_of(frame, "n");
    device->callbacks.on_event(device->context, device->connection, device->received_n,
                               cJSON_GetObjectItemCaseSensitive(frame, "event"));
    if (device->manners.ack_events == 0)
        return;
    if (device->received_n - device->acked_n >= device->manners.ack_events)
        write_ack(device);
    else if (!evtimer_pending(device->ack_timer, NULL))
        start_timer(device->ack_timer, (int)device->manners.ack_delay_ms);
}

static struct outgoing **find_outgoing(struct device *device, const char *op)
{
    struct outgoing **link = &device->outbox;
    while (*link != NULL && (!(*link)->on_the_wire || strcmp((*link)->op, op) != 0))
        link = &(*link)->next;
    return link;
}

static void free_outgoing(struct outgoing *item)
{
    mem_free(item->chat);
    mem_free(item->client_id);
    mem_free(item->text);
    mem_free(item);
}

static struct outgoing *take_outgoing(struct device *device, struct outgoing **link)
{
    struct outgoing *item = *link;
    *link = item->next;
    if (*link == NULL)
        device->outbox_end = link;
    return item;
}

/* An indefinite end, or a request to wait: it stays in the outbox. */
static bool is_temporary(struct device *device, struct outgoing *item, const char *code)
{
    struct device_send send = send_of(item);
    if (strcmp(code, "unavailable") == 0) {
        lose_try(device, item, "unavailable");
    } else if (strcmp(code, "rate_limited") == 0) {
        item->on_the_wire = false;
        if (device->callbacks.on_refused != NULL)
            device->callbacks.on_refused(device->context, &send, code);
    } else {
        return false;
    }
    if (!evtimer_pending(device->resend, NULL))
        start_timer(device->resend, RETRY_SEND_MS);
    return true;
}

static void got_answer(struct device *device, const cJSON *frame, bool ok)
{
    const char *code = ok ? NULL : string_of(frame, "code");
    struct outgoing **link = find_outgoing(device, string_of(frame, "id"));
    if (*link == NULL) {
        if (device->callbacks.on_answer != NULL)
            device->callbacks.on_answer(device->context, string_of(frame, "id"), code);
        return;
    }
    if (!ok && is_temporary(device, *link, code))
        return;
    struct outgoing *item = take_outgoing(device, link);
    struct device_send send = send_of(item);
    if (ok)
        device->callbacks.on_sent(device->context, &send, number_of(frame, "seq"));
    else
        device->callbacks.on_refused(device->context, &send, code);
    free_outgoing(item);
}

static void on_frame(wslay_event_context_ptr frames,
                     const struct wslay_event_on_msg_recv_arg *message, void *context)
{
    (void)frames;
    struct device *device = context;
    if (message->opcode != WSLAY_TEXT_FRAME)
        return;
    cJSON *frame = cJSON_ParseWithLength((const char *)message->msg, message->msg_length);
    const char *op = string_of(frame, "op");
    if (strcmp(op, "event") == 0)
        got_event(device, frame);
    else if (strcmp(op, "ok") == 0)
        got_answer(device, frame, true);
    else if (strcmp(op, "error") == 0)
        got_answer(device, frame, false);
    else if (strcmp(op, "ready") == 0)
        got_ready(device, frame);
    else if (strcmp(op, "resync") == 0) {
        device_statistics.resyncs++;
        device->callbacks.on_resync(device->context, device->connection);
    } else if (strcmp(op, "receipt") == 0 && device->callbacks.on_receipt != NULL)
        device->callbacks.on_receipt(device->context, frame);
    cJSON_Delete(frame);
}

/* --- wslay's bytes --- */

static ssize_t give_bytes(wslay_event_context_ptr frames, uint8_t *bytes, size_t size, int flags,
                          void *context)
{
    (void)flags;
    struct device *device = context;
    int taken = evbuffer_remove(bufferevent_get_input(device->socket), bytes, size);
    if (taken > 0)
        return taken;
    wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
    return -1;
}

static ssize_t take_bytes(wslay_event_context_ptr frames, const uint8_t *bytes, size_t size,
                          int flags, void *context)
{
    (void)frames;
    (void)flags;
    struct device *device = context;
    bufferevent_write(device->socket, bytes, size);
    return (ssize_t)size;
}

static int make_mask(wslay_event_context_ptr frames, uint8_t *bytes, size_t size, void *context)
{
    (void)frames;
    (void)context;
    randombytes_buf(bytes, size);
    return 0;
}

static void start_frames(struct device *device)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = give_bytes,
                                                           .send_callback = take_bytes,
                                                           .genmask_callback = make_mask,
                                                           .on_msg_recv_callback = on_frame};
    wslay_event_context_client_init(&device->frames, &callbacks, device);
    wslay_event_config_set_max_recv_msg_length(device->frames, 1 << 20);
    device->state = DEVICE_AUTHENTICATING;
    write_auth(device);
}

/* True when the upgrade is done and what follows are frames. */
static bool read_upgrade(struct device *device)
{
    struct evbuffer *input = bufferevent_get_input(device->socket);
    struct evbuffer_ptr end = evbuffer_search(input, "\r\n\r\n", 4, NULL);
    if (end.pos < 0)
        return false;
    char status[16] = "";
    evbuffer_copyout(input, status, sizeof status - 1);
    if (strncmp(status, "HTTP/1.1 101", 12) != 0) {
        lose(device, 0);
        return false;
    }
    evbuffer_drain(input, (size_t)end.pos + 4);
    start_frames(device);
    return true;
}

static void on_readable(struct bufferevent *socket, void *context)
{
    (void)socket;
    struct device *device = context;
    if (device->state == DEVICE_UPGRADING && !read_upgrade(device))
        return;
    if (wslay_event_recv(device->frames) != 0)
        lose(device, CLOSE_PROTOCOL);
    else if (wslay_event_get_close_received(device->frames))
        lose(device, wslay_event_get_status_code_received(device->frames));
}

/* A bufferevent's input takes bytes of nobody else: it is opened for a moment. */
void device_read_now(struct device *device)
{
    int length;
    if (device->state != DEVICE_AUTHENTICATING && device->state != DEVICE_READY)
        return;
    struct evbuffer *input = bufferevent_get_input(device->socket);
    evbuffer_unfreeze(input, 0);
    do
        length = evbuffer_read(input, bufferevent_getfd(device->socket), -1);
    while (length > 0);
    evbuffer_freeze(input, 0);
    on_readable(device->socket, device);
    if (length == 0 && device->state != DEVICE_OFFLINE)
        lose(device, 0);
}

static void on_socket_event(struct bufferevent *socket, short what, void *context)
{
    struct device *device = context;
    if (!(what & BEV_EVENT_CONNECTED)) {
        lose(device, 0);
        return;
    }
    int on = 1;
    setsockopt(bufferevent_getfd(socket), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    unsigned char key[16];
    char key_text[32];
    randombytes_buf(key, sizeof key);
    sodium_bin2base64(key_text, sizeof key_text, key, sizeof key, sodium_base64_VARIANT_ORIGINAL);
    evbuffer_add_printf(
        bufferevent_get_output(socket),
        "GET /v1/ws HTTP/1.1\r\nHost: %s:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: parley.v1\r\n\r\n",
        device->host, device->port, key_text);
    device->state = DEVICE_UPGRADING;
}

static void connect_now(struct device *device)
{
    if (!device->wanted || device->state != DEVICE_OFFLINE)
        return;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(device->port)};
    evutil_inet_pton(AF_INET, device->host, &address.sin_addr);
    device->socket =
        bufferevent_socket_new(device->base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    bufferevent_setcb(device->socket, on_readable, NULL, on_socket_event, device);
    bufferevent_enable(device->socket, EV_READ | EV_WRITE);
    device->state = DEVICE_CONNECTING;
    device->connection++;
    if (device->callbacks.on_connecting != NULL)
        device->callbacks.on_connecting(device->context, device->connection);
    bufferevent_socket_connect(device->socket, (struct sockaddr *)&address, sizeof address);
    start_timer(device->reconnect, READY_DEADLINE_S * 1000); /* looked at in on_reconnect */
}

static void on_reconnect(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct device *device = context;
    if (device->state != DEVICE_OFFLINE && device->state != DEVICE_READY)
        drop(device, 0); /* not ready by the deadline: try anew */
    connect_now(device);
}

/* --- what its owner sees --- */

struct device *device_create(struct event_base *base, const char *host, uint16_t port,
                             const char *token, const struct device_callbacks *callbacks,
                             void *context)
{
    struct device *device = mem_zalloc(sizeof *device);
    device->base = base;
    device->host = mem_string(host);
    device->port = port;
    device->token = mem_string(token);
    device->callbacks = *callbacks;
    device->manners = device_good_manners;
    device->context = context;
    device->outbox_end = &device->outbox;
    device->reconnect = evtimer_new(base, on_reconnect, device);
    device->ack_timer = evtimer_new(base, on_ack_timer, device);
    device->resend = evtimer_new(base, on_resend, device);
    device->sweep = evtimer_new(base, on_sweep, device);
    return device;
}

void device_go_online(struct device *device)
{
    device->wanted = true;
    connect_now(device);
}

void device_go_offline(struct device *device)
{
    device->wanted = false;
    evtimer_del(device->reconnect);
    drop(device, 0);
}

void device_set_token(struct device *device, const char *token)
{
    mem_free(device->token);
    device->token = mem_string(token);
    device->session[0] = '\0';
}

void device_set_manners(struct device *device, struct device_manners manners)
{
    device->manners = manners;
    if (device->state == DEVICE_READY && manners.ack_events > 0 &&
        device->acked_n < device->received_n)
        start_timer(device->ack_timer, (int)manners.ack_delay_ms);
}

bool device_read(struct device *device, const char *chat, int64_t seq, const char *op)
{
    if (device->state != DEVICE_READY)
        return false;
    cJSON *frame = new_frame("read");
    cJSON_AddStringToObject(frame, "id", op);
    cJSON_AddStringToObject(frame, "chat", chat);
    cJSON_AddNumberToObject(frame, "seq", (double)seq);
    write_frame(device, frame);
    return true;
}

void device_stay_offline_once_closed(struct device *device)
{
    device->wanted = false;
    evtimer_del(device->reconnect);
}

int64_t device_connection(const struct device *device)
{
    return device->connection;
}

bool device_is_wanted_online(const struct device *device)
{
    return device->wanted;
}

bool device_is_ready(const struct device *device)
{
    return device->state == DEVICE_READY;
}

bool device_has_outgoing(const struct device *device)
{
    return device->outbox != NULL;
}

void device_send(struct device *device, const char *chat, const char *client_id, const char *text)
{
    struct outgoing *item = mem_zalloc(sizeof *item);
    item->chat = mem_string(chat);
    item->client_id = mem_string(client_id);
    item->text = mem_string(text);
    *device->outbox_end = item;
    device->outbox_end = &item->next;
    if (device->state != DEVICE_READY)
        return;
    if (device->outbox->on_the_wire || device->outbox == item)
        write_send(device, item); /* what waits to be tried again goes first */
    if (!evtimer_pending(device->sweep, NULL))
        start_timer(device->sweep, SWEEP_MS);
}

void device_destroy(struct device **device)
{
    if (*device == NULL)
        return;
    device_go_offline(*device);
    while ((*device)->outbox != NULL)
        free_outgoing(take_outgoing(*device, &(*device)->outbox));
    event_free((*device)->reconnect);
    event_free((*device)->ack_timer);
    event_free((*device)->resend);
    event_free((*device)->sweep);
    mem_free((*device)->host);
    mem_free((*device)->token);
    mem_free(*device);
    *device = NULL;
}
