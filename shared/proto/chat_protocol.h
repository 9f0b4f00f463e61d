/* What the chat daemon answers and publishes. Served on chat.rpc, published on chat.pub. */
#ifndef PARLEY_PROTO_CHAT_PROTOCOL_H
#define PARLEY_PROTO_CHAT_PROTOCOL_H

#include "shared/proto/rpc.h"

#define CHAT_MAX_BATCH   1024
#define CHAT_MAX_MEMBERS 4096    /* in one change */
#define CHAT_MAX_SPANS   1048576 /* of one chat */
#define CHAT_BODY_BYTES  65536

enum chat_kind { CHAT_DIRECT = 1, CHAT_GROUP, CHAT_CHANNEL };
enum chat_role { CHAT_ROLE_READER = 1, CHAT_ROLE_MEMBER, CHAT_ROLE_ADMIN, CHAT_ROLE_OWNER };
enum chat_history { CHAT_HISTORY_JOINED = 1, CHAT_HISTORY_SHARED };

/* Stored and on the wire as these numbers: never renumber. */
enum chat_event_type {
    CHAT_EVENT_MESSAGE = 1,
    CHAT_EVENT_MEMBER_ADDED,
    CHAT_EVENT_MEMBER_REMOVED,
    CHAT_EVENT_ROLE_CHANGED,
    CHAT_EVENT_CHAT_UPDATED,
    CHAT_EVENT_EDIT,
    CHAT_EVENT_DELETE,
    CHAT_EVENT_REACTION,
};

/* clang-format off */

/* append: messages, and what is done to messages, for the log. The results come in the order of the items; items of one
 * sender and chat keep their order. Safe to send again: (sender, chat, client_id) gives the same seq for ever. What is
 * done to a message has no client_id of the client's: whoever asks makes one up at random and keeps it over its tries.
 * Of a message PROBLEM_BAD_REQUEST says that `target` is above the head, of an edit that body and detail together are too
 * long; PROBLEM_CONFLICT says that the key has another content, that the message was deleted, or of an edit or a reaction that there
 * are as many as there may be. A whole request is refused for what no asker should send. */
#define CHAT_MESSAGE_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    ID(T, chat_id)                                          \
    ID(T, sender_id)                                        \
    NUMBER(T, type) /* CHAT_EVENT_MESSAGE, _EDIT, _DELETE or _REACTION */ \
    NUMBER(T, target) /* seq of the message that is edited, deleted or reacted to; of a message: what it replies to, or 0 */ \
    TEXT(T, client_id, 128)                                 \
    TEXT(T, body, CHAT_BODY_BYTES) /* message, edit: the JSON object as the client wrote it, checked by chat_content.h */ \
    TEXT(T, detail, CHAT_BODY_BYTES) /* further members of the event as JSON text: "reply_to":3,"mentions":["7"]; of a reaction "emoji":"…","on":true */
CODEC_DECLARE(chat_message, CHAT_MESSAGE_FIELDS)
#define CHAT_APPEND_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) LIST(T, messages, chat_message, CHAT_MAX_BATCH)
CODEC_DECLARE(chat_append_request, CHAT_APPEND_REQUEST_FIELDS)
#define CHAT_APPEND_RESULT_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    NUMBER(T, problem) /* enum problem; PROBLEM_UNAVAILABLE is indefinite: send it again */ \
    NUMBER(T, seq) /* of the event; of a reaction that changed nothing: the chat's head */ \
    NUMBER(T, at_ms)                                              \
    NUMBER(T, duplicate) /* 1: it was there before, or changed nothing */
CODEC_DECLARE(chat_append_result, CHAT_APPEND_RESULT_FIELDS)
#define CHAT_APPEND_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) LIST(T, results, chat_append_result, CHAT_MAX_BATCH)
CODEC_DECLARE(chat_append_reply, CHAT_APPEND_REPLY_FIELDS)

/* apply: one change of a chat by metadata. Versions of a chat count up by one; a version that is in the log already is
 * answered with what it gave; one that skips is refused with PROBLEM_CONFLICT. */
enum chat_change_kind {
    CHAT_CHANGE_CREATED = 1,  /* kind, history, members: member_added for each */
    CHAT_CHANGE_MEMBERS,      /* members: member_added for each that is new, role_changed for the others */
    CHAT_CHANGE_REMOVED,      /* members: member_removed for each */
    CHAT_CHANGE_UPDATED,      /* detail: the changed members of the chat as JSON text; history when it changed */
    CHAT_CHANGE_DELETED,      /* member_removed for all; the log answers not_found from then on */
    CHAT_CHANGE_BLOCKS,       /* blocked: bit 0: the member with the smaller id may not write, bit 1: the other; no event */
};
#define CHAT_CHANGE_MEMBER_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) ID(T, user_id) NUMBER(T, role)
CODEC_DECLARE(chat_change_member, CHAT_CHANGE_MEMBER_FIELDS)
#define CHAT_APPLY_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    ID(T, chat_id)                                                \
    NUMBER(T, version)                                            \
    NUMBER(T, change_kind)                                        \
    ID(T, by_id)                                                  \
    NUMBER(T, kind)                                               \
    NUMBER(T, history)                                            \
    NUMBER(T, blocked)                                            \
    TEXT(T, detail, CHAT_BODY_BYTES)                              \
    LIST(T, members, chat_change_member, CHAT_MAX_MEMBERS)
CODEC_DECLARE(chat_apply_request, CHAT_APPLY_REQUEST_FIELDS)
#define CHAT_APPLY_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) NUMBER(T, last_seq) /* head of the chat after it */
CODEC_DECLARE(chat_apply_reply, CHAT_APPLY_REPLY_FIELDS)

/* receipts: watermarks, several at once. Whoever reads sees the true `read` on all of their devices; the others see
 * `read_shown`, which stays where it is while the reader hides their reads. So in the news `read` is for the devices of
 * user_id only, and read_shown for everybody else; with USER_HIDES_READS nothing has moved that the others may see, and they
 * are not told at all: the moment would tell them. */
#define CHAT_RECEIPT_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    ID(T, chat_id) ID(T, user_id) NUMBER(T, delivered) NUMBER(T, read) /* 0: not moved */ \
    NUMBER(T, flags) /* enum user_flag. Asked: of who reads, USER_HIDES_READS keeps `read` from the others */ \
    NUMBER(T, read_shown) /* in the news */
CODEC_DECLARE(chat_receipt, CHAT_RECEIPT_FIELDS)
#define CHAT_RECEIPTS_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) LIST(T, receipts, chat_receipt, 4096)
CODEC_DECLARE(chat_receipts_request, CHAT_RECEIPTS_REQUEST_FIELDS)
#define CHAT_RECEIPT_RESULT_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    NUMBER(T, problem) NUMBER(T, delivered) NUMBER(T, read) /* as they stand now */
CODEC_DECLARE(chat_receipt_result, CHAT_RECEIPT_RESULT_FIELDS)
#define CHAT_RECEIPTS_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) LIST(T, results, chat_receipt_result, 4096)
CODEC_DECLARE(chat_receipts_reply, CHAT_RECEIPTS_REPLY_FIELDS)

/* summaries: what a list of chats shows, for one user. In the order asked; seq 0: not in the log. */
#define CHAT_SUMMARY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    NUMBER(T, last_seq)                                     \
    NUMBER(T, last_at_ms)                                   \
    NUMBER(T, read_seq)                                     \
    NUMBER(T, unread)                                       \
    NUMBER(T, mentions) /* unread ones that mention this user */ \
    TEXT(T, last_event, 2 * CHAT_BODY_BYTES) /* the event as JSON, the last that this user may see; absent when with_events is 0 */
CODEC_DECLARE(chat_summary, CHAT_SUMMARY_FIELDS)
#define CHAT_SUMMARIES_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    ID(T, user_id) IDS(T, chats, 4096) NUMBER(T, with_events) /* 0: last_seq and last_at_ms only, to sort by */
CODEC_DECLARE(chat_summaries_request, CHAT_SUMMARIES_REQUEST_FIELDS)
#define CHAT_SUMMARIES_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) LIST(T, summaries, chat_summary, 4096)
CODEC_DECLARE(chat_summaries_reply, CHAT_SUMMARIES_REPLY_FIELDS)

/* members: who has been a member of these chats, from which seq to which; true at the chat's head as_of_seq. In the order
 * asked; when they are very large, only the first of them, and the others are to be asked for again. */
#define CHAT_SPAN_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    ID(T, user_id)                                       \
    NUMBER(T, from_seq) /* of its member_added */        \
    NUMBER(T, to_seq) /* of its member_removed, which it still receives; 0: still a member */
CODEC_DECLARE(chat_span, CHAT_SPAN_FIELDS)
#define CHAT_ROSTER_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    ID(T, chat_id)                                         \
    NUMBER(T, as_of_seq)                                   \
    LIST(T, spans, chat_span, CHAT_MAX_SPANS)
CODEC_DECLARE(chat_roster, CHAT_ROSTER_FIELDS)
#define CHAT_ROSTER_ASK_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    ID(T, chat_id) NUMBER(T, from_seq) /* spans that ended before it are left out */
CODEC_DECLARE(chat_roster_ask, CHAT_ROSTER_ASK_FIELDS)
#define CHAT_MEMBERS_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) LIST(T, chats, chat_roster_ask, 256)
CODEC_DECLARE(chat_members_request, CHAT_MEMBERS_REQUEST_FIELDS)
#define CHAT_MEMBERS_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) LIST(T, rosters, chat_roster, 256)
CODEC_DECLARE(chat_members_reply, CHAT_MEMBERS_REPLY_FIELDS)

/* An event on its way to devices. */
#define CHAT_EVENT_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    ID(T, chat_id)                                        \
    NUMBER(T, seq)                                        \
    NUMBER(T, type)                                       \
    ID(T, sender_id)                                      \
    ID(T, subject_id) /* of a membership event the user; of an edit, a delete or a reaction the seq that it is about; else 0 */ \
    TEXT(T, json, 2 * CHAT_BODY_BYTES) /* the event as clients see it, rendered once */
CODEC_DECLARE(chat_event, CHAT_EVENT_FIELDS)

/* feed: the committed events of a partition above an offset, in offset order. All offsets are consecutive. */
#define CHAT_FEED_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) NUMBER(T, partition) NUMBER(T, after_offset) NUMBER(T, limit)
CODEC_DECLARE(chat_feed_request, CHAT_FEED_REQUEST_FIELDS)
#define CHAT_FEED_BATCH_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    NUMBER(T, partition)                                       \
    NUMBER(T, epoch)                                           \
    NUMBER(T, first_offset)                                    \
    NUMBER(T, head_offset)                                     \
    LIST(T, events, chat_event, CHAT_MAX_BATCH)
CODEC_DECLARE(chat_feed_batch, CHAT_FEED_BATCH_FIELDS)
#define CHAT_FEED_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) LIST(T, batches, chat_feed_batch, 1)
CODEC_DECLARE(chat_feed_reply, CHAT_FEED_REPLY_FIELDS)

/* heads: the committed head of every partition, owned here or not; count tells how many partitions there are. */
#define CHAT_HEADS_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) NUMBER(T, unused)
CODEC_DECLARE(chat_heads_request, CHAT_HEADS_REQUEST_FIELDS)
#define CHAT_HEAD_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) NUMBER(T, partition) NUMBER(T, epoch) NUMBER(T, head_offset)
CODEC_DECLARE(chat_head, CHAT_HEAD_FIELDS)
#define CHAT_HEADS_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) LIST(T, heads, chat_head, 1024)
CODEC_DECLARE(chat_heads_reply, CHAT_HEADS_REPLY_FIELDS)

/* events: the content of events that an inbox refers to, in the order asked; an event that is not there has seq 0. */
#define CHAT_EVENT_REF_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) ID(T, chat_id) NUMBER(T, seq)
CODEC_DECLARE(chat_event_ref, CHAT_EVENT_REF_FIELDS)
#define CHAT_EVENTS_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) LIST(T, refs, chat_event_ref, CHAT_MAX_BATCH)
CODEC_DECLARE(chat_events_request, CHAT_EVENTS_REQUEST_FIELDS)
#define CHAT_EVENTS_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) LIST(T, events, chat_event, CHAT_MAX_BATCH)
CODEC_DECLARE(chat_events_reply, CHAT_EVENTS_REPLY_FIELDS)

/* roles: what each of these users is to a chat now, for what is not in the log (watching, typing). In the order asked. */
#define CHAT_ROLE_ASK_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) ID(T, chat_id) ID(T, user_id)
CODEC_DECLARE(chat_role_ask, CHAT_ROLE_ASK_FIELDS)
#define CHAT_ROLES_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) LIST(T, asks, chat_role_ask, 4096)
CODEC_DECLARE(chat_roles_request, CHAT_ROLES_REQUEST_FIELDS)
#define CHAT_ROLE_ANSWER_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    NUMBER(T, problem) /* enum problem: PROBLEM_NONE for a member, PROBLEM_NOT_MEMBER, PROBLEM_NOT_FOUND */ \
    NUMBER(T, writing) /* a member's, PROBLEM_NONE: may write; PROBLEM_FORBIDDEN, PROBLEM_BLOCKED */
CODEC_DECLARE(chat_role_answer, CHAT_ROLE_ANSWER_FIELDS)
#define CHAT_ROLES_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) LIST(T, answers, chat_role_answer, 4096)
CODEC_DECLARE(chat_roles_reply, CHAT_ROLES_REPLY_FIELDS)

/* companions: which of these pairs of users share a chat now? */
#define CHAT_PAIR_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) ID(T, user_id) ID(T, other_id)
CODEC_DECLARE(chat_pair, CHAT_PAIR_FIELDS)
#define CHAT_COMPANIONS_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) LIST(T, pairs, chat_pair, 1024)
CODEC_DECLARE(chat_companions_request, CHAT_COMPANIONS_REQUEST_FIELDS)
#define CHAT_COMPANIONS_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) IDS(T, shared, 1024) /* 1: they do, else 0; in the order asked */
CODEC_DECLARE(chat_companions_reply, CHAT_COMPANIONS_REPLY_FIELDS)

/* Published on chat.pub, gathered per commit and per turn: committed batches of several partitions, the heads (on a
 * timer, 200 ms, with no batches), and receipts that moved (ephemeral). */
#define CHAT_NEWS_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    LIST(T, batches, chat_feed_batch, 1024)              \
    LIST(T, heads, chat_head, 1024)                      \
    LIST(T, receipts, chat_receipt, 4096)
CODEC_DECLARE(chat_news, CHAT_NEWS_FIELDS)

#define CHAT_METHODS(X)                                                                                    \
    X(chat, append, 1) X(chat, apply, 2) X(chat, receipts, 3) X(chat, summaries, 4) X(chat, members, 5)    \
    X(chat, feed, 6) X(chat, heads, 7) X(chat, events, 8) X(chat, roles, 9) X(chat, companions, 10)
/* clang-format on */

RPC_DECLARE_METHOD(chat, append)
RPC_DECLARE_METHOD(chat, apply)
RPC_DECLARE_METHOD(chat, receipts)
RPC_DECLARE_METHOD(chat, summaries)
RPC_DECLARE_METHOD(chat, members)
RPC_DECLARE_METHOD(chat, feed)
RPC_DECLARE_METHOD(chat, heads)
RPC_DECLARE_METHOD(chat, events)
RPC_DECLARE_METHOD(chat, roles)
RPC_DECLARE_METHOD(chat, companions)

#endif
