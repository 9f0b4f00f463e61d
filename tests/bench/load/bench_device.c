/* A device: upgrade, auth, frames by wslay. It reads no JSON tree: the server's frames have their members in one order
 * (api/asyncapi.yaml), and what is looked for is looked for as text. Acknowledges as an application would. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <wslay/wslay.h>

#include "shared/base/mem.h"
#include "tests/bench/load/bench.h"

#define ACK_EVENTS 16

struct device {
    int64_t index;
    const char *token;
    int fd;
    bool is_upgraded, is_ready, is_dirty, is_ended;
    struct event *readable, *writable;
    wslay_frame_context_ptr frames;
    struct buffer input;  /* a message in parts */
    struct buffer output; /* not written yet */
    size_t written;
    const uint8_t *chunk; /* what was read and wslay has not taken yet */
    size_t chunk_length;
    int64_t last_n, acked_n;
    uint64_t sends;
    struct device *next_dirty;
};

struct device_events device_events;
static struct device *dirty;

int64_t device_index(const struct device *device)
{
    return device->index;
}

/* --- output --- */

static void mark_dirty(struct device *device)
{
    if (device->is_dirty)
        return;
    device->is_dirty = true;
    device->next_dirty = dirty;
    dirty = device;
}

static ssize_t put_bytes(const uint8_t *bytes, size_t length, int flags, void *context)
{
    (void)flags;
    struct device *device = context;
    buffer_append(&device->output, bytes, length);
    mark_dirty(device);
    return (ssize_t)length;
}

/* A load generator has no secret to hide from a proxy: one mask is as good as another (RFC 6455, 10.3). */
static int make_mask(uint8_t *bytes, size_t length, void *context)
{
    (void)context;
    memset(bytes, 0x5A, length);
    return 0;
}

static void put_frame(struct device *device, uint8_t opcode, const char *bytes, size_t length)
{
    struct wslay_frame_iocb frame = {.fin = 1,
                                     .opcode = opcode,
                                     .mask = 1,
                                     .payload_length = length,
                                     .data = (const uint8_t *)bytes,
                                     .data_length = length};
    wslay_frame_send(device->frames, &frame);
}

static void end(struct device *device, int code)
{
    if (device->is_ended)
        return;
    device->is_ended = true;
    device->is_ready = false;
    mark_dirty(device);
    device_events.on_end(device, code);
}

static void write_out(struct device *device)
{
    while (device->written < device->output.length) {
        ssize_t sent = send(device->fd, device->output.data + device->written,
                            device->output.length - device->written, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            event_add(device->writable, NULL);
            return;
        }
        if (sent < 0) {
            end(device, 0);
            return;
        }
        device->written += (size_t)sent;
    }
    buffer_clear(&device->output);
    device->written = 0;
}

static void destroy(struct device *device)
{
    event_free(device->readable);
    event_free(device->writable);
    wslay_frame_context_free(device->frames);
    buffer_deinit(&device->input);
    buffer_deinit(&device->output);
    close(device->fd);
    mem_free(device);
}

void device_flush_all(void)
{
    while (dirty != NULL) {
        struct device *device = dirty;
        dirty = device->next_dirty;
        device->is_dirty = false;
        if (!device->is_ended)
            write_out(device);
        if (device->is_ended && !device->is_dirty)
            destroy(device);
    }
}

static void put_ack(struct device *device)
{
    char frame[64];
    int length =
        snprintf(frame, sizeof frame, "{\"op\":\"ack\",\"n\":%" PRId64 "}", device->last_n);
    put_frame(device, WSLAY_TEXT_FRAME, frame, (size_t)length);
    device->acked_n = device->last_n;
}

void device_tick(struct device *device)
{
    if (device->is_ready && device->last_n > device->acked_n)
        put_ack(device);
}

void device_send(struct device *device, const char *chat, int64_t due_us, size_t bytes)
{
    static char frame[70000];
    char padding[256];
    uint64_t number = ++device->sends;
    int length =
        snprintf(padding, sizeof padding, "%" PRId64 " %" PRId64 " ", device->index, due_us);
    size_t fill = bytes > (size_t)length ? bytes - (size_t)length : 0;
    length =
        snprintf(frame, sizeof frame,
                 "{\"op\":\"send\",\"id\":\"%" PRIu64 "\",\"chat\":\"%s\",\"client_id\":\"%" PRId64
                 "-%" PRId64 "-%" PRIu64 "\",\"body\":{\"text\":\"%s",
                 number, chat, device->index, due_us, number, padding);
    memset(frame + length, 'x', fill);
    memcpy(frame + (size_t)length + fill, "\"}}", 3);
    put_frame(device, WSLAY_TEXT_FRAME, frame, (size_t)length + fill + 3);
}

/* --- input --- */

static bool starts_with(const char *text, size_t length, const char *start)
{
    size_t wanted = strlen(start);
    return length >= wanted && memcmp(text, start, wanted) == 0;
}

static void take_event(struct device *device, const char *text, size_t length)
{
    static const char before[] = "\"text\":\"";
    device->last_n = strtoll(text + sizeof "{\"op\":\"event\",\"n\":" - 1, NULL, 10);
    const char *body = memmem(text, length, before, sizeof before - 1);
    char *rest = NULL;
    int64_t sender = body == NULL ? -1 : strtoll(body + sizeof before - 1, &rest, 10);
    device_events.on_event(device, sender, body == NULL ? 0 : strtoll(rest, NULL, 10));
    if (device->last_n - device->acked_n >= ACK_EVENTS)
        put_ack(device);
}

static void take_ready(struct device *device, const char *text, size_t length)
{
    static const char inbox[] = "\"inbox\":";
    const char *field = memmem(text, length, inbox, sizeof inbox - 1);
    device->is_ready = true;
    device_events.on_ready(device, field == NULL ? 0 : strtoll(field + sizeof inbox - 1, NULL, 10));
}

static void take_message(struct device *device, uint8_t opcode, const char *text, size_t length)
{
    if (opcode == WSLAY_PING)
        put_frame(device, WSLAY_PONG, text, length);
    else if (opcode == WSLAY_CONNECTION_CLOSE)
        end(device, length >= 2 ? (uint8_t)text[0] << 8 | (uint8_t)text[1] : 1005);
    else if (opcode != WSLAY_TEXT_FRAME)
        return;
    else if (starts_with(text, length, "{\"op\":\"event\","))
        take_event(device, text, length);
    else if (starts_with(text, length, "{\"op\":\"ok\","))
        device_events.on_answer(device, true);
    else if (starts_with(text, length, "{\"op\":\"error\","))
        device_events.on_answer(device, false);
    else if (starts_with(text, length, "{\"op\":\"ready\","))
        take_ready(device, text, length);
}

static ssize_t take_bytes(uint8_t *bytes, size_t size, int flags, void *context)
{
    (void)flags;
    struct device *device = context;
    if (device->chunk_length == 0)
        return -1;
    size_t length = size < device->chunk_length ? size : device->chunk_length;
    memcpy(bytes, device->chunk, length);
    device->chunk += length;
    device->chunk_length -= length;
    return (ssize_t)length;
}

static void take_frames(struct device *device)
{
    struct wslay_frame_iocb part;
    ssize_t got;
    while (!device->is_ended && (got = wslay_frame_recv(device->frames, &part)) >= 0) {
        if (part.data_length == part.payload_length) {
            take_message(device, part.opcode, (const char *)part.data, part.data_length);
            continue;
        }
        buffer_append(&device->input, part.data, part.data_length);
        if (device->input.length < part.payload_length)
            continue;
        take_message(device, part.opcode, device->input.data, device->input.length);
        buffer_clear(&device->input);
    }
}

/* True when the answer was whole, and a switch. What follows it is left in the chunk. */
static bool take_upgrade(struct device *device)
{
    char auth[400];
    buffer_append(&device->input, device->chunk, device->chunk_length);
    const char *head_end = memmem(device->input.data, device->input.length, "\r\n\r\n", 4);
    if (head_end == NULL)
        return false;
    if (!starts_with(device->input.data, device->input.length, "HTTP/1.1 101")) {
        end(device, 0);
        return false;
    }
    buffer_clear(&device->input); /* the server says nothing before auth */
    device->chunk_length = 0;
    device->is_upgraded = true;
    int length = snprintf(auth, sizeof auth, "{\"op\":\"auth\",\"token\":\"%s\"}", device->token);
    put_frame(device, WSLAY_TEXT_FRAME, auth, (size_t)length);
    return true;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    static uint8_t scratch[65536];
    struct device *device = context;
    (void)what;
    ssize_t got = recv(fd, scratch, sizeof scratch, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        end(device, 0);
    } else {
        device->chunk = scratch;
        device->chunk_length = (size_t)got;
        if (device->is_upgraded || take_upgrade(device))
            take_frames(device);
    }
    device_flush_all();
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct device *device = context;
    (void)fd;
    (void)what;
    mark_dirty(device);
    device_flush_all();
}

/* --- connecting --- */

static int dial(const struct device_place *place)
{
    int on = 1;
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons(place->port)};
    bool is_local = place->unix_path != NULL;
    int fd = socket(is_local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (is_local)
        snprintf(local.sun_path, sizeof local.sun_path, "%s", place->unix_path);
    else
        inet_pton(AF_INET, place->host, &remote.sin_addr);
    const struct sockaddr *address =
        is_local ? (const struct sockaddr *)&local : (const struct sockaddr *)&remote;
    if (connect(fd, address, is_local ? sizeof local : sizeof remote) != 0) {
        close(fd);
        return -1;
    }
    evutil_make_socket_nonblocking(fd);
    if (!is_local)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

struct device *device_connect(struct event_base *base, const struct device_place *place,
                              int64_t index, const char *token)
{
    static const struct wslay_frame_callbacks callbacks = {put_bytes, take_bytes, make_mask};
    static const char upgrade[] =
        "GET /v1/ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: parley.v1\r\n\r\n";
    int fd = dial(place);
    if (fd < 0)
        return NULL;
    struct device *device = mem_zalloc(sizeof *device);
    device->index = index;
    device->token = token;
    device->fd = fd;
    wslay_frame_context_init(&device->frames, &callbacks, device);
    device->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, device);
    device->writable = event_new(base, fd, EV_WRITE, on_writable, device);
    event_add(device->readable, NULL);
    buffer_append(&device->output, upgrade, sizeof upgrade - 1);
    mark_dirty(device);
    return device;
}
