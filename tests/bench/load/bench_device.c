/* A device's socket: connecting, upgrade, frames by wslay. What is said in the frames is its protocol's. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <wslay/wslay.h>

#include "shared/base/mem.h"
#include "tests/bench/load/bench_device.h"

struct device_events device_events;
const char *device_watched_chat;
const struct protocol *device_protocol = &protocol_parley;
static struct device *dirty;

bool device_choose_protocol(const char *name)
{
    static const struct protocol *const all[] = {&protocol_parley, &protocol_xmpp};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(all[i]->name, name) == 0) {
            device_protocol = all[i];
            return true;
        }
    }
    return false;
}

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

void device_say(struct device *device, const char *text, size_t length)
{
    put_frame(device, WSLAY_TEXT_FRAME, text, length);
}

void device_end(struct device *device, int code)
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
            device_end(device, 0);
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

void device_send(struct device *device, const char *chat, int64_t due_us, size_t bytes)
{
    device_protocol->send(device, chat, due_us, bytes);
}

void device_tick(struct device *device)
{
    device_protocol->tick(device);
}

/* --- input --- */

static void take_message(struct device *device, uint8_t opcode, const char *text, size_t length)
{
    if (opcode == WSLAY_PING)
        put_frame(device, WSLAY_PONG, text, length);
    else if (opcode == WSLAY_CONNECTION_CLOSE)
        device_end(device, length >= 2 ? (uint8_t)text[0] << 8 | (uint8_t)text[1] : 1005);
    else if (opcode == WSLAY_TEXT_FRAME)
        device_protocol->on_text(device, text, length);
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

/* True when the answer was whole, and a switch. The server says nothing before the device does, so nothing follows it. */
static bool take_upgrade(struct device *device)
{
    static const char switched[] = "HTTP/1.1 101";
    struct buffer *input = &device->input;
    buffer_append(input, device->chunk, device->chunk_length);
    if (memmem(input->data, input->length, "\r\n\r\n", 4) == NULL)
        return false;
    if (input->length < sizeof switched ||
        memcmp(input->data, switched, sizeof switched - 1) != 0) {
        device_end(device, 0);
        return false;
    }
    buffer_clear(input);
    device->chunk_length = 0;
    device->is_upgraded = true;
    device_protocol->on_open(device);
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
        device_end(device, 0);
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
    struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons((uint16_t)place->port)};
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
                              int64_t index, const char *token, const char *chat)
{
    static const struct wslay_frame_callbacks callbacks = {put_bytes, take_bytes, make_mask};
    char upgrade[400];
    int fd = dial(place);
    if (fd < 0)
        return NULL;
    struct device *device = mem_zalloc(sizeof *device);
    device->index = index;
    device->token = token;
    device->chat = chat;
    device->fd = fd;
    wslay_frame_context_init(&device->frames, &callbacks, device);
    device->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, device);
    device->writable = event_new(base, fd, EV_WRITE, on_writable, device);
    event_add(device->readable, NULL);
    int length = snprintf(
        upgrade, sizeof upgrade,
        "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: %s\r\n\r\n",
        device_protocol->path, device_protocol->subprotocol);
    buffer_append(&device->output, upgrade, (size_t)length);
    mark_dirty(device);
    return device;
}
