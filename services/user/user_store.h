/* Typed questions to Postgres and their answers: the only part of the daemon that knows libpq and SQL.
 *
 * Two connections: writes in the order in which they were asked for, and reads that do not wait for writes. Callbacks
 * come exactly once, never before the call returns, and say PROBLEM_UNAVAILABLE when there was no answer (a write may
 * have happened then). What a callback is handed lives until it returns; a result is NULL unless PROBLEM_NONE. */
#ifndef PARLEY_USER_STORE_H
#define PARLEY_USER_STORE_H

#include "shared/net/loop.h"
#include "shared/net/problem.h"
#include "shared/proto/user_protocol.h"

struct user_store;

struct user_store *user_store_create(struct loop *loop);
bool user_store_is_ready(const struct user_store *store);
const char *user_store_last_error(const struct user_store *store); /* why it is not ready */
size_t user_store_in_flight(const struct user_store *store);
void user_store_destroy(struct user_store **store); /* open questions end as PROBLEM_UNAVAILABLE */

/* For writes that change no more than the feed. */
typedef void (*user_on_head)(void *context, enum problem problem, int64_t head);

/* --- accounts --- */

struct user_account {
    int64_t user_id;
    struct text username;
    struct text display_name;
    struct text avatar; /* TEXT_NONE when there is none */
    int64_t created_at_ms;
    int64_t flags; /* enum user_flag */
};
typedef void (*user_on_account)(void *context, enum problem problem,
                                const struct user_account *account);
typedef void (*user_on_accounts)(void *context, enum problem problem,
                                 const struct user_account *accounts, size_t count);
typedef void (*user_on_done)(void *context, enum problem problem);

/* USERNAME_TAKEN, or done with this account. */
void user_store_register(struct user_store *store, const struct user_account *account,
                         struct text password_hash, user_on_done on_done, void *context);
void user_store_account(struct user_store *store, int64_t user_id, user_on_account on_account,
                        void *context); /* NOT_FOUND also for an erased one */

struct user_profile_change {
    struct text display_name; /* TEXT_NONE: stays */
    bool set_avatar;
    struct text avatar;       /* TEXT_NONE with set_avatar: none from now on */
    int64_t set_flags, flags; /* which of enum user_flag are given, and which of those are set */
};
/* `head` is above 0 when the flags have changed: of the change in the feed. */
typedef void (*user_on_updated)(void *context, enum problem problem,
                                const struct user_account *account, int64_t head);
/* NOT_FOUND: the account is gone. */
void user_store_update(struct user_store *store, int64_t user_id,
                       const struct user_profile_change *change, user_on_updated on_updated,
                       void *context);
/* Accounts whose username begins with prefix (letters of usernames only) and comes behind after, in that order. */
void user_store_search(struct user_store *store, struct text prefix, struct text after,
                       int64_t limit, user_on_accounts on_accounts, void *context);
void user_store_erase(struct user_store *store, int64_t user_id, user_on_head on_head,
                      void *context);
void user_store_change_password(struct user_store *store, int64_t user_id, struct text old_hash,
                                struct text new_hash, int64_t keep_session, user_on_head on_head,
                                void *context);

/* --- logging in, sessions --- */

struct user_credentials {
    struct user_account account;
    struct text password_hash;
    bool owns_device; /* the device that was asked about is this user's */
};
typedef void (*user_on_credentials)(void *context, enum problem problem,
                                    const struct user_credentials *credentials);
void user_store_credentials(struct user_store *store, struct text username, int64_t device_id,
                            user_on_credentials on_credentials, void *context);
void user_store_credentials_of(struct user_store *store, int64_t user_id,
                               user_on_credentials on_credentials, void *context);

struct user_login {
    int64_t user_id;
    struct text password_hash; /* that the password was held against */
    int64_t device_id;         /* 0: a new device with the id new_device_id */
    int64_t new_device_id;
    struct text device_name; /* TEXT_NONE: unchanged, or empty for a new one */
    int64_t session_id;
    struct text token_hash;
    int64_t now_ms, expires_at_ms;
};
struct user_logged_in {
    int64_t device_id;
    struct text device_name;
    int64_t head;
};
typedef void (*user_on_logged_in)(void *context, enum problem problem,
                                  const struct user_logged_in *logged_in);
/* UNAUTHORIZED: the password was changed meanwhile; NOT_FOUND: no such device; CONFLICT: too many devices. */
void user_store_login(struct user_store *store, const struct user_login *login,
                      user_on_logged_in on_logged_in, void *context);

struct user_session {
    int64_t session_id, device_id;
    struct text device_name;
    int64_t created_at_ms;
    int64_t last_used_at_ms; /* 0: not yet */
};
typedef void (*user_on_sessions)(void *context, enum problem problem,
                                 const struct user_session *sessions, size_t count);
/* A place in a list that is ordered by time, latest first; ids break ties. */
struct user_position {
    int64_t at_ms, id;
};
void user_store_sessions(struct user_store *store, int64_t user_id, struct user_position before,
                         int64_t limit, user_on_sessions on_sessions, void *context);
void user_store_end_session(struct user_store *store, int64_t user_id, int64_t session_id,
                            user_on_head on_head, void *context);

struct user_own_device {
    int64_t device_id;
    struct text name;
    int64_t created_at_ms, last_used_at_ms;
    int64_t session_id; /* 0: logged out */
};
typedef void (*user_on_devices_listed)(void *context, enum problem problem,
                                       const struct user_own_device *devices, size_t count);
typedef void (*user_on_device)(void *context, enum problem problem,
                               const struct user_own_device *device);
/* The latest made first. */
void user_store_own_devices(struct user_store *store, int64_t user_id, struct user_position before,
                            int64_t limit, user_on_devices_listed on_devices_listed, void *context);
/* Both: NOT_FOUND when the user has no such device. */
void user_store_rename_device(struct user_store *store, int64_t user_id, int64_t device_id,
                              struct text name, user_on_device on_device, void *context);
void user_store_remove_device(struct user_store *store, int64_t user_id, int64_t device_id,
                              user_on_head on_head, void *context);

struct user_token_owner {
    struct user_identity identity; /* user_id 0: no such session, or it has expired */
    int64_t last_used_at_ms;       /* of the session, 0: never */
};
typedef void (*user_on_token_owners)(void *context, enum problem problem,
                                     const struct user_token_owner *owners, size_t count,
                                     int64_t head);
/* Who these tokens belong to, in their order, all in one statement. */
void user_store_token_owners(struct user_store *store, const struct text *hashes, size_t count,
                             user_on_token_owners on_token_owners, void *context);
void user_store_mark_used(struct user_store *store, const int64_t *session_ids, size_t count,
                          int64_t now_ms, user_on_done on_done, void *context);
typedef void (*user_on_swept)(void *context, enum problem problem, int64_t swept, int64_t head);
void user_store_sweep(struct user_store *store, int64_t limit, user_on_swept on_swept,
                      void *context);

/* --- blocks --- */

struct user_block {
    int64_t other_id, at_ms;
};
typedef void (*user_on_blocks)(void *context, enum problem problem, const struct user_block *blocks,
                               size_t count);
void user_store_blocks(struct user_store *store, int64_t user_id, struct user_position before,
                       int64_t limit, user_on_blocks on_blocks, void *context);
/* NOT_FOUND: no such user; CONFLICT: too many blocks. The head is at or above the change, also of one made before. */
void user_store_put_block(struct user_store *store, int64_t user_id, int64_t other_id,
                          user_on_head on_head, void *context);
void user_store_delete_block(struct user_store *store, int64_t user_id, int64_t other_id,
                             user_on_head on_head, void *context);

/* --- what the other daemons ask --- */

void user_store_head(struct user_store *store, user_on_head on_head, void *context);
typedef void (*user_on_changes)(void *context, enum problem problem,
                                const struct user_changes_reply *reply);
void user_store_changes(struct user_store *store, int64_t after, int64_t limit,
                        user_on_changes on_changes, void *context);
typedef void (*user_on_trimmed)(void *context, enum problem problem, size_t count);
/* Deletes up to `limit` changes that are older than `days` and not above `taken`. */
void user_store_trim(struct user_store *store, int64_t taken, int64_t days, int64_t limit,
                     user_on_trimmed on_trimmed, void *context);
typedef void (*user_on_devices)(void *context, enum problem problem,
                                const struct user_devices_reply *reply);
/* named_id: of whose devices the names are told; 0: of nobody's. */
void user_store_devices(struct user_store *store, const int64_t *users, size_t count,
                        int64_t named_id, user_on_devices on_devices, void *context);
typedef void (*user_on_existing)(void *context, enum problem problem,
                                 const struct user_existing_reply *reply);
void user_store_existing(struct user_store *store, const int64_t *users, size_t count,
                         user_on_existing on_existing, void *context);
typedef void (*user_on_pair)(void *context, enum problem problem,
                             const struct user_blocks_reply *reply);
void user_store_pair(struct user_store *store, int64_t user_id, int64_t other_id,
                     user_on_pair on_pair, void *context);

#endif
