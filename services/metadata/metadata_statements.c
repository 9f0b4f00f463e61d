/* The prepared statements: verbs that change something are functions of sql/0002_metadata.sql. */
#include "services/metadata/metadata_statements.h"

/* A chat with the own settings of $2; the columns that metadata_store.c reads with read_chat. */
#define CHAT_COLUMNS                                                                          \
    "c.chat_id, c.kind, c.history, c.created_at_ms, c.member_count, c.title, c.description, " \
    "c.avatar, "                                                                              \
    "m.muted_until_ms, m.pinned, m.archived"

const struct pg_statement metadata_statements[] = {
    {"create_chat",
     "select r.problem, $1::bigint, r.version, 0, true from metadata.create_chat($1::bigint, "
     "$2::bigint::smallint, $3::text, $4::text, $5::text, $6::bigint::smallint, $7::bigint, "
     "$8::bigint, "
     "$9::bigint[], $10::bigint::smallint, $11::bigint) r"},
    {"create_direct",
     "select r.problem, r.chat_id, r.version, 0, r.created from metadata.create_direct($1::bigint, "
     "$2::bigint, $3::bigint, $4::bigint::smallint, $5::bigint, $6::bigint) r"},
    {"update_chat",
     "select r.problem, $1::bigint, r.version, 0, false from metadata.update_chat($1::bigint, "
     "$2::bigint, $3::bigint::integer, $4::text, $5::text, $6::text, $7::bigint::smallint, "
     "$8::text) r"},
    {"delete_chat", "select r.problem, $1::bigint, r.version, 0, false "
                    "from metadata.delete_chat($1::bigint, $2::bigint) r"},
    {"put_member",
     "select r.problem, $1::bigint, r.version, r.role, false from metadata.put_member($1::bigint, "
     "$2::bigint, $3::bigint, $4::bigint::smallint, "
     "case when (select kind from metadata.chat where chat_id = $1::bigint) = 3 then $6::bigint "
     "else $5::bigint end, $7::bigint) r"},
    {"remove_member",
     "select r.problem, $1::bigint, r.version, 0, false from metadata.remove_member($1::bigint, "
     "$2::bigint, $3::bigint) r"},
    {"update_own", "select r.problem, r.muted_until_ms, r.pinned, r.archived from "
                   "metadata.update_own($1::bigint, "
                   "$2::bigint, $3::bigint::integer, $4::bigint, $5::boolean, $6::boolean) r"},
    {"chat", "select m.active, " CHAT_COLUMNS
             " from metadata.chat c join metadata.member m using (chat_id) "
             "where c.chat_id = $1::bigint and m.user_id = $2::bigint and not c.deleted"},
    {"chats_of",
     "select chat_id from metadata.member where user_id = $1::bigint and active limit $2::bigint"},
    {"own_chats",
     "select true, " CHAT_COLUMNS " from metadata.chat c join metadata.member m using (chat_id) "
     "where m.user_id = $1::bigint and m.chat_id = any ($2::bigint[]) and m.active and not "
     "c.deleted"},
    {"standing", "select m.active from metadata.chat c join metadata.member m using (chat_id) "
                 "where c.chat_id = $1::bigint and m.user_id = $2::bigint and not c.deleted"},
    {"members", "select user_id, role from metadata.member where chat_id = $1::bigint and active "
                "and user_id > $2::bigint order by user_id limit $3::bigint"},
    {"oldest_change", "select version, change_kind, by_id, kind, history, blocked, detail, "
                      "(parked_at is not null)::integer "
                      "from metadata.outbox where chat_id = $1::bigint order by version limit 1"},
    {"oldest_members",
     "select m.user_id, m.role from (select member_ids, member_roles from metadata.outbox "
     "where chat_id = $1::bigint order by version limit 1) o, "
     "unnest(o.member_ids, o.member_roles) as m (user_id, role)"},
    {"change_done",
     "delete from metadata.outbox where chat_id = $1::bigint and version = $2::bigint"},
    {"change_park", "update metadata.outbox set parked_at = now(), parked_reason = $3::text, "
                    "tries = tries + 1 where chat_id = $1::bigint and version = $2::bigint"},
    {"waiting_chats", "select distinct chat_id from metadata.outbox where chat_id not in (select "
                      "chat_id from metadata.outbox where parked_at is not null) limit $1::bigint"},
    {"parked_count", "select count(*) from metadata.outbox where parked_at is not null"},
    {"cursor", "select feed_offset from metadata.user_cursor"},
    {"take", "select out_chat, out_version from metadata.take_user_change($1::bigint, "
             "$2::bigint::smallint, $3::bigint, "
             "$4::bigint)"},
};

const size_t metadata_statement_count = sizeof metadata_statements / sizeof metadata_statements[0];
