#include "shared/proto/protocol_catalog.h"

#include <assert.h>

#include "shared/proto/chat_protocol.h"
#include "shared/proto/delivery_protocol.h"
#include "shared/proto/metadata_protocol.h"
#include "shared/proto/user_protocol.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct protocol_method user_methods[] = {
    {&user_authenticate_method,
     "who is behind these tokens, several at once; tokens travel as their hashes only"},
    {&user_existing_method, "which of these users exist and are not erased"},
    {&user_blocks_method, "which of two users has blocked the other"},
    {&user_devices_method,
     "all devices of these users, and how far the feed was when that was true"},
    {&user_changes_method, "the feed of changes above an offset; -1 asks for its head only"},
};

static const struct protocol_method metadata_methods[] = {
    {&metadata_catch_up_method,
     "take over the user daemon's changes up to an offset; answered when they are in the logs"},
};

static const struct protocol_method chat_methods[] = {
    {&chat_append_method,
     "messages for the log; safe to send again: the same client_id gives the same seq"},
    {&chat_apply_method,
     "one change of a chat by metadata, in the order of its versions; safe to send again"},
    {&chat_receipts_method, "watermarks, several at once; none goes back"},
    {&chat_summaries_method, "what a list of chats shows to one user"},
    {&chat_members_method, "who has been a member of these chats, from which seq to which"},
    {&chat_feed_method,
     "the committed events of a partition above an offset, in order, without a gap"},
    {&chat_heads_method, "the committed head of every partition"},
    {&chat_events_method, "the content of events that an inbox refers to"},
    {&chat_roles_method, "what users are to chats now, and whether they may write"},
    {&chat_companions_method, "which of these pairs of users share a chat now"},
};

static const struct protocol_method delivery_methods[] = {
    {&delivery_trace_method, "where an event is, for each device of these users"},
};

#define X(...) +1
static_assert(COUNT(user_methods) == USER_METHODS(X), "a method of user is not in the catalog");
static_assert(COUNT(metadata_methods) == METADATA_METHODS(X),
              "a method of metadata is not in the catalog");
static_assert(COUNT(chat_methods) == CHAT_METHODS(X), "a method of chat is not in the catalog");
static_assert(COUNT(delivery_methods) == DELIVERY_METHODS(X),
              "a method of delivery is not in the catalog");
#undef X

const struct protocol_service protocol_services[] = {
    {"user", user_methods, COUNT(user_methods), &user_head_codec,
     "how far the feed of changes is: after each commit and every 500 ms"},
    {"metadata", metadata_methods, COUNT(metadata_methods), NULL, NULL},
    {"chat", chat_methods, COUNT(chat_methods), &chat_news_codec,
     "what was committed, the heads of the partitions every 200 ms, and receipts that moved"},
    {"delivery", delivery_methods, COUNT(delivery_methods), NULL, NULL},
};
const size_t protocol_service_count = COUNT(protocol_services);

/* --- messages --- */

static size_t add_message(const struct codec *message, const struct codec **messages, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (messages[i] == message)
            return count;
    assert(count < PROTOCOL_MAX_MESSAGES);
    messages[count++] = message;
    for (size_t i = 0; i < message->field_count; i++)
        if (message->fields[i].item != NULL)
            count = add_message(message->fields[i].item, messages, count);
    return count;
}

size_t protocol_messages(const struct protocol_service *service,
                         const struct codec *messages_out[PROTOCOL_MAX_MESSAGES])
{
    size_t count = 0;
    for (size_t i = 0; i < service->method_count; i++) {
        count = add_message(service->methods[i].method->request, messages_out, count);
        count = add_message(service->methods[i].method->reply, messages_out, count);
    }
    return service->published == NULL ? count
                                      : add_message(service->published, messages_out, count);
}

/* --- the document --- */

static const char introduction[] =
    "# Messages between the daemons\n"
    "\n"
    "Written from the tables in `shared/proto/*_protocol.h` by "
    "`build/release/tests/unit/test_protocol --write`; the same\n"
    "test fails when this page is stale.\n"
    "\n"
    "A service answers on `<run_dir>/<service>.rpc` (nng REQ/REP) and publishes on "
    "`<run_dir>/<service>.pub` (nng PUB/SUB,\n"
    "the fast path only: what it loses is read again from a feed). A request is the version (1 "
    "byte, now 1), the method's\n"
    "number (1 byte) and the encoded request; a reply is the version, a status (1 byte: 0, or the "
    "position of the error in\n"
    "the table of `shared/net/problem.h`) and, with status 0, the encoded reply. What is published "
    "is a message alone.\n"
    "\n"
    "A message is its fields in the order of the table:\n"
    "\n"
    "| kind | on the wire |\n"
    "| --- | --- |\n"
    "| number | 64 bits, signed: zig-zag varint, shortest form |\n"
    "| id | 64 bits, signed: 8 bytes, little-endian; 0 means none |\n"
    "| text | a varint, its length plus one, then the bytes; 0 means absent, which differs from "
    "empty |\n"
    "| list | a varint, the count, then the items |\n"
    "| ids | a varint, the count, then 8 bytes each |\n"
    "\n"
    "A receiver refuses what is cut off, over a bound, not in shortest form, or has bytes left "
    "over, and names the message\n"
    "and the field.\n";

static void describe_service(const struct protocol_service *service, struct buffer *out)
{
    const struct codec *messages[PROTOCOL_MAX_MESSAGES];
    buffer_append_format(out, "\n## %s\n\n| no. | method | request | reply | purpose |\n",
                         service->name);
    buffer_append_string(out, "| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < service->method_count; i++) {
        const struct rpc_method *method = service->methods[i].method;
        buffer_append_format(out, "| %d | `%s` | `%s` | `%s` | %s |\n", method->number,
                             method->name, method->request->name, method->reply->name,
                             service->methods[i].purpose);
    }
    if (service->published != NULL)
        buffer_append_format(out, "\nPublished: `%s`, %s.\n", service->published->name,
                             service->published_purpose);
    buffer_append_string(out, "\n");
    size_t count = protocol_messages(service, messages);
    for (size_t i = 0; i < count; i++)
        codec_describe(messages[i], out);
    out->length--; /* one empty line between services, and none at the end */
}

void protocol_document(struct buffer *out)
{
    buffer_append_string(out, introduction);
    for (size_t i = 0; i < protocol_service_count; i++)
        describe_service(&protocol_services[i], out);
}
