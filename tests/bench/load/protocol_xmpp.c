/* XMPP over WebSocket (RFC 7395), for the peers: SASL PLAIN (RFC 4616), one resource, messages to a bare address, or to a
 * room (XEP-0045), which the device enters first. A stanza is a text frame, and what is looked for is looked for as text.
 *
 * XMPP answers no message. Here one counts as answered when it has arrived: from a room back at its sender, else at the
 * other device. Stream management (XEP-0198) stays off: it would only cost these servers more. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load/bench_device.h"

enum step { BEFORE_LOGIN, LOGGING_IN, LOGGED_IN, BINDING, ENTERING, READY };

static const char opening[] =
    "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>";

static void say(struct device *device, const char *text)
{
    device_say(device, text, strlen(text));
}

static bool contains(const char *text, size_t length, const char *part)
{
    return memmem(text, length, part, strlen(part)) != NULL;
}

static bool is_room(const char *address)
{
    return strstr(address, "@conference.") != NULL;
}

static void on_open(struct device *device)
{
    say(device, opening);
}

static void be_ready(struct device *device)
{
    device->step = READY;
    device->is_ready = true;
    device_events.on_ready(device, INBOX_UNKNOWN);
}

/* --- login --- */

static void on_features(struct device *device)
{
    char stanza[400];
    if (device->step == BEFORE_LOGIN) {
        snprintf(stanza, sizeof stanza,
                 "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>",
                 device->token);
        device->step = LOGGING_IN;
        say(device, stanza);
    } else if (device->step == LOGGED_IN) {
        device->step = BINDING;
        say(device, "<iq xmlns='jabber:client' type='set' id='bind'>"
                    "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    }
}

static void on_success(struct device *device)
{
    device->step = LOGGED_IN;
    say(device, opening);
}

static void on_bound(struct device *device)
{
    char stanza[400];
    say(device, "<presence xmlns='jabber:client'/>");
    if (device->chat == NULL || !is_room(device->chat)) {
        be_ready(device);
        return;
    }
    snprintf(stanza, sizeof stanza,
             "<presence xmlns='jabber:client' to='%s/%" PRId64
             "'><x xmlns='http://jabber.org/protocol/muc'>"
             "<history maxstanzas='0'/></x></presence>",
             device->chat, device->index);
    device->step = ENTERING;
    say(device, stanza);
}

/* --- messages --- */

static void on_message(struct device *device, const char *text, size_t length)
{
    static const char before[] = "<body>";
    const char *body = memmem(text, length, before, sizeof before - 1);
    char *rest = NULL;
    if (contains(text, length, "type='error'") || contains(text, length, "type=\"error\"")) {
        device_events.on_answer(device->index, false);
        return;
    }
    if (body == NULL) /* a room's subject */
        return;
    int64_t sender = strtoll(body + sizeof before - 1, &rest, 10);
    device_events.on_event(device, sender, strtoll(rest, NULL, 10));
    if (!contains(text, (size_t)(body - text), "groupchat") || sender == device->index)
        device_events.on_answer(sender, true);
}

static void on_text(struct device *device, const char *text, size_t length)
{
    if (length > 9 && memcmp(text, "<message ", 9) == 0)
        on_message(device, text, length);
    else if (device->step == READY)
        return;
    else if (contains(text, length, "<failure") || contains(text, length, "stream:error") ||
             contains(text, length, "<close"))
        device_end(device, device->step);
    else if (contains(text, length, "features"))
        on_features(device);
    else if (contains(text, length, "<success"))
        on_success(device);
    else if (device->step == BINDING && contains(text, length, "<iq"))
        on_bound(device);
    else if (device->step == ENTERING && contains(text, length, "<presence") &&
             contains(text, length, "110"))
        be_ready(device);
}

static void send_message(struct device *device, const char *chat, int64_t due_us, size_t bytes)
{
    static char stanza[70000];
    char text[64];
    int text_length =
        snprintf(text, sizeof text, "%" PRId64 " %" PRId64 " ", device->index, due_us);
    size_t fill = bytes > (size_t)text_length ? bytes - (size_t)text_length : 0;
    int length = snprintf(
        stanza, sizeof stanza,
        "<message xmlns='jabber:client' to='%s' type='%s' id='%" PRId64 "-%" PRIu64 "'><body>%s",
        chat, is_room(chat) ? "groupchat" : "chat", device->index, ++device->sends, text);
    memset(stanza + length, 'x', fill);
    memcpy(stanza + (size_t)length + fill, "</body></message>", 17);
    device_say(device, stanza, (size_t)length + fill + 17);
}

static void tick(struct device *device)
{
    (void)device; /* nothing is acknowledged */
}

const struct protocol protocol_xmpp = {"xmpp", "/ws", "xmpp", on_open, on_text, send_message, tick};
