/* Parley's protocol (api/asyncapi.yaml). No JSON tree is read: the server's frames have their members in one order, and
 * what is looked for is looked for as text. Acknowledges as an application would. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load/bench_device.h"

#define ACK_EVENTS 16

static void put_ack(struct device *device)
{
    char frame[64];
    int length =
        snprintf(frame, sizeof frame, "{\"op\":\"ack\",\"n\":%" PRId64 "}", device->last_n);
    device_say(device, frame, (size_t)length);
    device->acked_n = device->last_n;
}

static void tick(struct device *device)
{
    if (device->is_ready && device->last_n > device->acked_n)
        put_ack(device);
}

static void send_message(struct device *device, const char *chat, int64_t due_us, size_t bytes)
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
    device_say(device, frame, (size_t)length + fill + 3);
}

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

static void become_ready(struct device *device)
{
    device->is_ready = true;
    device_events.on_ready(device, device->inbox);
}

static void take_ready(struct device *device, const char *text, size_t length)
{
    static const char inbox[] = "\"inbox\":";
    char frame[128];
    const char *field = memmem(text, length, inbox, sizeof inbox - 1);
    device->inbox = field == NULL ? 0 : strtoll(field + sizeof inbox - 1, NULL, 10);
    if (device_watched_chat == NULL) {
        become_ready(device);
        return;
    }
    int frame_length =
        snprintf(frame, sizeof frame, "{\"op\":\"watch\",\"id\":\"watch\",\"chats\":[\"%s\"]}",
                 device_watched_chat);
    device_say(device, frame, (size_t)frame_length);
}

static void take_presence(struct device *device, const char *text, size_t length)
{
    static const char online[] = "\"online\":true";
    if (device_events.on_presence != NULL)
        device_events.on_presence(device, memmem(text, length, online, sizeof online - 1) != NULL);
}

void device_follow(struct device *device, const char *user)
{
    char frame[100];
    int length = snprintf(frame, sizeof frame, "{\"op\":\"presence\",\"users\":[\"%s\"]}", user);
    device_say(device, frame, (size_t)length);
}

static void on_text(struct device *device, const char *text, size_t length)
{
    if (starts_with(text, length, "{\"op\":\"event\","))
        take_event(device, text, length);
    else if (starts_with(text, length, "{\"op\":\"ok\",\"id\":\"watch\""))
        become_ready(device);
    else if (starts_with(text, length, "{\"op\":\"ok\","))
        device_events.on_answer(device->index, true);
    else if (starts_with(text, length, "{\"op\":\"error\","))
        device_events.on_answer(device->index, false);
    else if (starts_with(text, length, "{\"op\":\"ready\","))
        take_ready(device, text, length);
    else if (starts_with(text, length, "{\"op\":\"presence\","))
        take_presence(device, text, length);
}

static void on_open(struct device *device)
{
    char frame[400];
    int length = snprintf(frame, sizeof frame, "{\"op\":\"auth\",\"token\":\"%s\"}", device->token);
    device_say(device, frame, (size_t)length);
}

const struct protocol protocol_parley = {"parley", "/v1/ws",     "parley.v1", on_open,
                                         on_text,  send_message, tick};
