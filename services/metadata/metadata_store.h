/* The only file pair of this daemon that knows Postgres: typed questions in, typed answers out.
 *
 * Every function calls back exactly once, never before it returns. What an answer points to is borrowed until the
 * callback returns. `problem` is PROBLEM_NONE, a refusal that a client may be told, PROBLEM_UNAVAILABLE (not known
 * whether it happened) or PROBLEM_INTERNAL (logged here). */
#ifndef PARLEY_METADATA_STORE_H
#define PARLEY_METADATA_STORE_H

#include "shared/net/loop.h"
#include "shared/net/problem.h"
#include "shared/proto/chat_protocol.h"
#include "shared/proto/user_protocol.h"

struct metadata_store;
struct arena;

struct metadata_store *metadata_store_create(struct loop *loop);
bool metadata_store_is_ready(const struct metadata_store *store);
const char *metadata_store_last_error(const struct metadata_store *store);
void metadata_store_destroy(struct metadata_store **store);

/* --- changes of a chat: each leaves its row in the outbox in the same transaction --- */

struct metadata_changed {
    enum problem problem;
    int64_t chat_id; /* create_direct: the pair's chat, new or not */
    int64_t version; /* of the change in the outbox; 0: nothing changed */
    int64_t role;    /* put_member */
    bool created;    /* create_direct */
};
typedef void (*metadata_on_changed)(void *context, const struct metadata_changed *changed);

enum metadata_chat_field {
    METADATA_TITLE = 1,
    METADATA_DESCRIPTION = 2,
    METADATA_AVATAR = 4,
    METADATA_HISTORY = 8
};

struct metadata_chat_fields {
    int set;                                /* which of enum metadata_chat_field are given */
    struct text title, description, avatar; /* data NULL is null */
    int64_t history;
};

void metadata_store_create_chat(struct metadata_store *store, int64_t chat_id, enum chat_kind kind,
                                const struct metadata_chat_fields *fields, int64_t by_id,
                                const int64_t *members, size_t member_count,
                                metadata_on_changed on_changed, void *context);
void metadata_store_create_direct(struct metadata_store *store, int64_t chat_id, int64_t by_id,
                                  int64_t other_id, int64_t blocked, metadata_on_changed on_changed,
                                  void *context);
/* `detail`: the changed members as JSON text for the event in the log. */
void metadata_store_update_chat(struct metadata_store *store, int64_t chat_id, int64_t by_id,
                                const struct metadata_chat_fields *fields, struct text detail,
                                metadata_on_changed on_changed, void *context);
void metadata_store_delete_chat(struct metadata_store *store, int64_t chat_id, int64_t by_id,
                                metadata_on_changed on_changed, void *context);
/* role 0: as usual for the kind of chat. */
void metadata_store_put_member(struct metadata_store *store, int64_t chat_id, int64_t by_id,
                               int64_t user_id, int64_t role, metadata_on_changed on_changed,
                               void *context);
void metadata_store_remove_member(struct metadata_store *store, int64_t chat_id, int64_t by_id,
                                  int64_t user_id, metadata_on_changed on_changed, void *context);

/* --- own settings --- */

enum metadata_own_field { METADATA_MUTED_UNTIL = 1, METADATA_PINNED = 2, METADATA_ARCHIVED = 4 };

struct metadata_own {
    int set;
    int64_t muted_until_ms; /* 0: not muted */
    bool pinned, archived;
};
typedef void (*metadata_on_own)(void *context, enum problem problem,
                                const struct metadata_own *own);
void metadata_store_update_own(struct metadata_store *store, int64_t chat_id, int64_t user_id,
                               const struct metadata_own *own, metadata_on_own on_own,
                               void *context);

/* --- reading --- */

struct metadata_chat {
    int64_t chat_id, kind, history, created_at_ms, member_count;
    struct text title, description, avatar;
    struct metadata_own own; /* of the member who asked */
};
/* One chat for one who is a member of it: otherwise not_found or not_member. */
typedef void (*metadata_on_chat)(void *context, enum problem problem,
                                 const struct metadata_chat *chat);
void metadata_store_chat(struct metadata_store *store, int64_t chat_id, int64_t user_id,
                         metadata_on_chat on_chat, void *context);

typedef void (*metadata_on_ids)(void *context, enum problem problem, const int64_t *ids,
                                size_t count);
/* All chats that the user is a member of, in no order. */
void metadata_store_chats_of(struct metadata_store *store, int64_t user_id, metadata_on_ids on_ids,
                             void *context);

typedef void (*metadata_on_chats)(void *context, enum problem problem,
                                  const struct metadata_chat *chats, size_t count);
/* These chats of the user, in no order; those that they have left since are missing. */
void metadata_store_own_chats(struct metadata_store *store, int64_t user_id, const int64_t *chats,
                              size_t count, metadata_on_chats on_chats, void *context);

struct metadata_member {
    int64_t user_id, role;
};
typedef void (*metadata_on_members)(void *context, enum problem problem,
                                    const struct metadata_member *members, size_t count);
/* Members with an id above `after`, by id; at most `limit`. */
void metadata_store_members(struct metadata_store *store, int64_t chat_id, int64_t caller_id,
                            int64_t after, int64_t limit, metadata_on_members on_members,
                            void *context);

/* --- the outbox --- */

/* The oldest change of the chat; version 0 when there is none. */
typedef void (*metadata_on_outbox)(void *context, enum problem problem,
                                   const struct chat_apply_request *change, bool is_parked);
void metadata_store_oldest_change(struct metadata_store *store, int64_t chat_id,
                                  metadata_on_outbox on_outbox, void *context);
void metadata_store_change_done(struct metadata_store *store, int64_t chat_id, int64_t version,
                                metadata_on_changed on_changed, void *context);
/* The log has refused it for good; `code` is of the problem table. */
void metadata_store_change_park(struct metadata_store *store, int64_t chat_id, int64_t version,
                                const char *code, metadata_on_changed on_changed, void *context);
/* Chats that have changes in the outbox and none that is parked, at most `limit`. */
void metadata_store_waiting_chats(struct metadata_store *store, int64_t limit,
                                  metadata_on_ids on_ids, void *context);

/* --- the user daemon's changes --- */

typedef void (*metadata_on_cursor)(void *context, enum problem problem, int64_t offset);
/* How many changes of the outbox are parked, as the number of a cursor is told. */
void metadata_store_parked_count(struct metadata_store *store, metadata_on_cursor on_count,
                                 void *context);
void metadata_store_cursor(struct metadata_store *store, metadata_on_cursor on_cursor,
                           void *context);

struct metadata_taken {
    int64_t chat_id, version;
};
typedef void (*metadata_on_taken)(void *context, enum problem problem,
                                  const struct metadata_taken *taken, size_t count);
/* Takes consecutive changes over, all or none. */
void metadata_store_take(struct metadata_store *store, const struct user_change *changes,
                         size_t count, metadata_on_taken on_taken, void *context);

#endif
