/* The columns of an event in statements about chat.event e, with what was done to it since. */
#ifndef PARLEY_CHAT_READ_EVENT_H
#define PARLEY_CHAT_READ_EVENT_H

/* clang-format off */
/* Of the edit with this seq. Only asked where there is one: of a message that nothing was done to, all of this is a look at
 * a null. */
#define OF_EDIT(column, seq) \
    "(select " column " from chat.event x where x.partition = e.partition and x.chat_id = e.chat_id and x.seq = " seq ")"
/* The columns of read_event, with what was done to the message up to `until`, and its deletion whenever that was; `edit` is
 * the seq of the last edit up to then. */
#define EVENT_UNTIL(until, edit) \
    "e.chat_id, e.seq, e.type, e.sender_id, e.subject_id, e.at_ms, e.client_id, " \
    "case when e.edit_seq is null then e.body else coalesce(" OF_EDIT("x.body", edit) ", e.body) end, e.detail, " \
    "case when e.edit_seq is not null then " OF_EDIT("x.at_ms", edit) " end, e.delete_seq, " \
    "case when e.reactions > 0 then chat.reactions_of(e.partition, e.chat_id, e.seq, " until ") end"
/* For members and daemons. */
#define EVENT EVENT_UNTIL("9223372036854775807", "e.edit_seq")
/* For user $1, who may be a former member: in chat $3 of partition $2, and in several chats. */
#define EVENT_SEEN(until) EVENT_UNTIL(until, "chat.edit_until(e.partition, e.chat_id, e.edit_seq, " until ")")
#define EVENT_IN_CHAT EVENT_SEEN("(select chat.seen_until($1::bigint, $2::bigint::integer, $3::bigint))")
#define EVENT_IN_SEVERAL EVENT_SEEN("chat.seen_until($1::bigint, e.partition, e.chat_id)")
/* Of its JSON, at most about: a reaction is a user's id, and each emoji (at most 100, of 64 bytes) is a list of them. */
#define SIZE \
    "(coalesce(octet_length(e.body), 0) + coalesce(octet_length(e.detail), 0) + 200 " \
    "+ case when e.edit_seq is null then 0 else " OF_EDIT("octet_length(x.body)", "e.edit_seq") " end " \
    "+ coalesce(e.reactions * 22 + least(e.reactions, 100) * 134, 0))"

/* clang-format on */

#endif
