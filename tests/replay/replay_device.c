#include "tests/replay/replay_device.h"

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

#include "shared/base/mem.h"

#define ACK_EVERY           16
#define ACK_DELAY_MS        30
#define RETRY_SEND_MS       150
#define RECONNECT_MIN_MS    50
#define RECONNECT_SPREAD_MS 250
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
    bool on_the_wire;
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
    bool wanted;
    struct bufferevent *socket;
    wslay_event_context_ptr frames;
    struct event *reconnect, *ack_timer, *resend;
    char session[32]; /* for resume */
    int64_t received_n, acked_n;
    struct outgoing *outbox; /* in order, until answered */
    struct outgoing **outbox_end;
};

struct device_statistics device_statistics;

static void connect_now(struct device *device);

static void start_timer(struct event *timer, int delay_ms)
{
    struct timeval delay = {delay_ms / 1000, (delay_ms % 1000) * 1000};
    evtimer_add(timer, &delay);
}

static void drop(struct device *device)
{
    if (device->socket != NULL)
        bufferevent_free(device->socket);
    if (device->frames != NULL)
        wslay_event_context_free(device->frames);
    device->socket = NULL;
    device->frames = NULL;
    device->state = DEVICE_OFFLINE;
    evtimer_del(device->ack_timer);
    evtimer_del(device->resend);
    for (struct outgoing *item = device->outbox; item != NULL; item = item->next)
        item->on_the_wire = false;
}

static void lose(struct device *device)
{
    drop(device);
    if (device->wanted)
        start_timer(device->reconnect,
                    RECONNECT_MIN_MS + (int)randombytes_uniform(RECONNECT_SPREAD_MS));
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
    cJSON_AddNumberToObject(frame, "n", (double)device->received_n);
    device->acked_n = device->received_n;
    write_frame(device, frame);
}

static void write_send(struct device *device, struct outgoing *item)
{
    cJSON *frame = new_frame("send");
    cJSON_AddStringToObject(frame, "id", item->client_id);
    cJSON_AddStringToObject(frame, "chat", item->chat);
    cJSON_AddStringToObject(frame, "client_id", item->client_id);
    cJSON *body = cJSON_AddObjectToObject(frame, "body");
    cJSON_AddStringToObject(body, "text", item->text);
    item->on_the_wire = true;
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
    device_statistics.connects++;
    if (strcmp(state, "resumed") == 0)
        device_statistics.resumed++;
    else
        device->received_n = device->acked_n = 0;
    snprintf(device->session, sizeof device->session, "%s", string_of(frame, "session"));
    device->callbacks.on_connection(device->context);
    if (strcmp(state, "inbox") == 0)
        device_statistics.inboxes++;
    if (strcmp(state, "resync") == 0) {
        device_statistics.resyncs++;
        device->callbacks.on_resync(device->context);
    }
    flush_outbox(device);
}

static void got_event(struct device *device, const cJSON *frame)
{
    device_statistics.frames++;
    device->received_n = number_of(frame, "n");
    device->callbacks.on_event(device->context, cJSON_GetObjectItemCaseSensitive(frame, "event"));
    if (device->received_n - device->acked_n >= ACK_EVERY)
        write_ack(device);
    else if (!evtimer_pending(device->ack_timer, NULL))
        start_timer(device->ack_timer, ACK_DELAY_MS);
}

static struct outgoing **find_outgoing(struct device *device, const char *client_id)
{
    struct outgoing **link = &device->outbox;
    while (*link != NULL && strcmp((*link)->client_id, client_id) != 0)
        link = &(*link)->next;
    return link;
}

static void remove_outgoing(struct device *device, struct outgoing **link)
{
    struct outgoing *item = *link;
    *link = item->next;
    if (*link == NULL)
        device->outbox_end = link;
    mem_free(item->chat);
    mem_free(item->client_id);
    mem_free(item->text);
    mem_free(item);
}

static void got_answer(struct device *device, const cJSON *frame, bool ok)
{
    char client_id[64];
    snprintf(client_id, sizeof client_id, "%s", string_of(frame, "id"));
    struct outgoing **link = find_outgoing(device, client_id);
    if (*link == NULL)
        return;
    const char *code = string_of(frame, "code");
    if (!ok && (strcmp(code, "unavailable") == 0 || strcmp(code, "rate_limited") == 0 ||
                strcmp(code, "internal") == 0)) {
        (*link)->on_the_wire = false;
        if (!evtimer_pending(device->resend, NULL))
            start_timer(device->resend, RETRY_SEND_MS);
        return;
    }
    remove_outgoing(device, link);
    if (ok)
        device->callbacks.on_sent(device->context, client_id, number_of(frame, "seq"));
    else
        device->callbacks.on_refused(device->context, client_id, code);
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
        device->callbacks.on_resync(device->context);
    }
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
        lose(device);
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
    if (wslay_event_recv(device->frames) != 0 || wslay_event_get_close_received(device->frames))
        lose(device);
}

static void on_socket_event(struct bufferevent *socket, short what, void *context)
{
    struct device *device = context;
    if (!(what & BEV_EVENT_CONNECTED)) {
        lose(device);
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
    bufferevent_socket_connect(device->socket, (struct sockaddr *)&address, sizeof address);
    start_timer(device->reconnect, READY_DEADLINE_S * 1000); /* looked at in on_reconnect */
}

static void on_reconnect(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct device *device = context;
    if (device->state != DEVICE_OFFLINE && device->state != DEVICE_READY)
        drop(device); /* not ready by the deadline: try anew */
    connect_now(device);
}

/* --- what the replay sees --- */

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
    device->context = context;
    device->outbox_end = &device->outbox;
    device->reconnect = evtimer_new(base, on_reconnect, device);
    device->ack_timer = evtimer_new(base, on_ack_timer, device);
    device->resend = evtimer_new(base, on_resend, device);
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
    drop(device);
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
    if (device->state == DEVICE_READY)
        write_send(device, item);
}

void device_destroy(struct device **device)
{
    if (*device == NULL)
        return;
    device_go_offline(*device);
    while ((*device)->outbox != NULL)
        remove_outgoing(*device, &(*device)->outbox);
    event_free((*device)->reconnect);
    event_free((*device)->ack_timer);
    event_free((*device)->resend);
    mem_free((*device)->host);
    mem_free((*device)->token);
    mem_free(*device);
    *device = NULL;
}
