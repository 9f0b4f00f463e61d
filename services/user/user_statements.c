/* The prepared statements: verbs that decide and write are functions of sql/0001_users.sql and sql/0012_…. */
#include "services/user/user_store_internal.h"

/* The columns that store_account reads. */
#define ACCOUNT "a.user_id, a.username, a.display_name, a.avatar, a.created_at_ms, a.flags"
/* Those that read_device reads: of a device d and its session s that has not expired. */
#define DEVICE  "d.device_id, d.name, d.created_at_ms, d.last_used_at_ms, s.session_id"

const struct pg_statement user_read_statements[] = {
    {"account", "select " ACCOUNT " from users.account a "
                "where a.user_id = $1::bigint and a.erased_at_ms is null"},
    /* A range instead of LIKE: nothing to escape, and the index on username serves it. */
    {"search", "select " ACCOUNT " from users.account a where a.username >= $1::text "
               "and a.username < $1::text || '~' and a.username > $2::text "
               "order by a.username limit $3::bigint"},
    {"own_devices", "select " DEVICE " from users.device d left join users.session s "
                    "on s.device_id = d.device_id and s.expires_at_ms > $2::bigint "
                    "where d.user_id = $1::bigint "
                    "and (d.created_at_ms, d.device_id) < ($3::bigint, $4::bigint) "
                    "order by d.created_at_ms desc, d.device_id desc limit $5::bigint"},
    {"credentials", "select " ACCOUNT ", a.password_hash, exists (select 1 from users.device d "
                    "where d.device_id = $2::bigint and d.user_id = a.user_id) "
                    "from users.account a where a.username = $1::text"},
    {"credentials_of", "select " ACCOUNT ", a.password_hash, false from users.account a "
                       "where a.user_id = $1::bigint and a.erased_at_ms is null"},
    {"sessions", "select s.session_id, s.device_id, d.name, s.created_at_ms, s.last_used_at_ms "
                 "from users.session s join users.device d using (device_id) "
                 "where s.user_id = $1::bigint and s.expires_at_ms > $2::bigint "
                 "and (s.created_at_ms, s.session_id) < ($3::bigint, $4::bigint) "
                 "order by s.created_at_ms desc, s.session_id desc limit $5::bigint"},
    /* One row for each token, and the head as it was in the same snapshot. The lateral query with a limit keeps the
     * plan at one look into the index for each token, whatever the tables' statistics say. */
    {"token_owners",
     "select s.user_id, s.session_id, s.device_id, s.expires_at_ms, s.created_change, s.flags, "
     "s.last_used_at_ms, h.head "
     "from users.change_head h cross join unnest($1::bytea[]) with ordinality as t (hash, n) "
     "left join lateral (select s.user_id, s.session_id, s.device_id, s.expires_at_ms, "
     "d.created_change, a.flags, s.last_used_at_ms from users.session s join users.device d "
     "using (device_id) join users.account a on a.user_id = s.user_id where s.token_hash = t.hash "
     "and s.expires_at_ms > $2::bigint limit 1) s "
     "on true order by t.n"},
    {"blocks", "select b.other_id, b.at_ms from users.block b where b.user_id = $1::bigint "
               "and (b.at_ms, b.other_id) < ($2::bigint, $3::bigint) "
               "order by b.at_ms desc, b.other_id desc limit $4::bigint"},
    {"head", "select '', users.head()"},
    /* In one statement each, so that the head is of the same snapshot; without rows to tell there is one of nulls. */
    {"changes", "select h.head, c.feed_offset, c.kind, c.user_id, c.device_id, c.session_id, "
                "c.other_id, c.flags from users.change_head h left join lateral ("
                "select * from users.change where feed_offset > $1::bigint "
                "order by feed_offset limit $2::bigint) c on true order by c.feed_offset"},
    {"devices", "select h.head, d.user_id, d.device_id, d.created_change, d.created_at_ms, "
                "case when d.user_id = $2::bigint then d.name end "
                "from users.change_head h left join users.device d "
                "on d.user_id = any ($1::bigint[]) order by d.user_id, d.device_id"},
    {"existing", "select a.user_id from users.account a "
                 "where a.user_id = any ($1::bigint[]) and a.erased_at_ms is null"},
    {"pair", "select exists (select 1 from users.block where user_id = $1::bigint "
             "and other_id = $2::bigint), exists (select 1 from users.block "
             "where user_id = $2::bigint and other_id = $1::bigint)"},
};
const size_t user_read_statement_count =
    sizeof user_read_statements / sizeof user_read_statements[0];

const struct pg_statement user_write_statements[] = {
    {"register", "select users.register($1::bigint, $2::text, $3::text, $4::text, $5::bigint)"},
    {"update",
     "select r.out_user, r.out_username, r.out_display_name, r.out_avatar, r.out_created_at_ms, "
     "r.out_flags, r.out_head from users.update_profile($1::bigint, $2::text, $3::boolean, "
     "$4::text, $5::bigint, $6::bigint) r"},
    {"erase", "select r.problem, r.out_head from users.erase($1::bigint, $2::bigint) r"},
    {"change_password", "select r.problem, r.out_head from users.change_password($1::bigint, "
                        "$2::text, $3::text, $4::bigint) r"},
    {"login", "select r.problem, r.out_device, r.out_name, r.out_head from users.login($1::bigint, "
              "$2::text, $3::bigint, $4::bigint, $5::text, $6::bigint, $7::bytea, $8::bigint, "
              "$9::bigint, $10::bigint) r"},
    {"end_session",
     "select r.problem, r.out_head from users.end_session($1::bigint, $2::bigint) r"},
    {"rename_device",
     "with renamed as (update users.device set name = $3::text where device_id = $2::bigint "
     "and user_id = $1::bigint returning *) select " DEVICE " from renamed d "
     "left join users.session s on s.device_id = d.device_id and s.expires_at_ms > $4::bigint"},
    {"remove_device",
     "select r.problem, r.out_head from users.remove_device($1::bigint, $2::bigint) r"},
    {"mark_used", "with used as (update users.session s set last_used_at_ms = $2::bigint "
                  "where s.session_id = any ($1::bigint[]) "
                  "and coalesce(s.last_used_at_ms, 0) < $2::bigint returning s.device_id) "
                  "update users.device d set last_used_at_ms = $2::bigint from used "
                  "where d.device_id = used.device_id"},
    {"sweep", "select r.swept, r.out_head from users.sweep_sessions($1::bigint, $2::bigint) r"},
    /* The oldest ones first; of those that stay only as many are looked at as one statement may delete. */
    {"trim", "with oldest as (select feed_offset from users.change "
             "where feed_offset <= $1::bigint order by feed_offset limit $3::bigint) "
             "delete from users.change c using oldest o where c.feed_offset = o.feed_offset "
             "and c.at < now() - make_interval(days => $2::bigint::integer) "
             "returning c.feed_offset"},
    {"put_block", "select r.problem, r.out_head from users.put_block($1::bigint, $2::bigint, "
                  "$3::bigint, $4::bigint) r"},
    {"delete_block",
     "select r.problem, r.out_head from users.delete_block($1::bigint, $2::bigint) r"},
};
const size_t user_write_statement_count =
    sizeof user_write_statements / sizeof user_write_statements[0];
