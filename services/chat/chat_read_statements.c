/* The prepared statements of the reading side. Each finds its rows through an index, whatever the length of a chat. */
#include "services/chat/chat_read_event.h"
#include "services/chat/chat_read_internal.h"

/* clang-format off: a table */
/* The bytes of the rows before this one: pages end where it is above a bound, but never before their first row. */
#define BYTES_BEFORE(order) "sum(" SIZE ") over (order by " order ") - " SIZE " as bytes_before"
#define HEAD(partition, chat)                                                          \
    "(select coalesce(max(h.seq), 0) from chat.event h where h.partition = " partition \
    " and h.chat_id = " chat ")"

const struct pg_statement chat_read_statements[] = {
    {"load_chats",
     "select c.chat_id, c.kind, c.history, c.version, c.blocked, c.deleted, " HEAD(
         "c.partition",
         "c.chat_id") " "
                      "from unnest($1::bigint[], $2::bigint[]) a (partition, chat_id) "
                      "join chat.chat c on c.partition = a.partition and c.chat_id = a.chat_id"},
    /* A chat may have a hundred thousand members: they come in the order of the index, without a sort. */
    {"load_members",
     "select a.chat_id, m.user_id, m.from_seq, m.role "
     "from unnest($1::bigint[], $2::bigint[]) a (partition, chat_id) cross join lateral ("
     "select distinct on (s.user_id) s.user_id, s.from_seq, "
     "case when s.to_seq = 0 then s.role else 0 end as role "
     "from chat.member s where s.partition = a.partition and s.chat_id = a.chat_id "
     "order by s.user_id, s.from_seq desc) m"},
    {"standing",
     "select m.is_member, case when m.is_member and c.history = 2 then 1 else m.first_seq end, "
     "case when m.is_member then " HEAD(
         "c.partition", "c.chat_id") " else m.last_seq end "
                                     "from chat.chat c cross join lateral ("
                                     "select bool_or(to_seq = 0) as is_member, min(from_seq) as "
                                     "first_seq, max(to_seq) as last_seq "
                                     "from chat.member where partition = c.partition and chat_id = "
                                     "c.chat_id and user_id = $3::bigint) m "
                                     "where c.partition = $1::bigint and c.chat_id = $2::bigint "
                                     "and not c.deleted and m.is_member is not null"},
    {"history_after", "select " EVENT_IN_CHAT " from (select e.*, " BYTES_BEFORE(
                          "e.seq") " "
                                   "from chat.events_after($1::bigint, $2::bigint::integer, "
                                   "$3::bigint, $4::bigint, $5::bigint) e) e "
                                   "where e.bytes_before < $6::bigint order by e.seq"},
    {"history_before", "select " EVENT_IN_CHAT " from (select e.*, " BYTES_BEFORE(
                           "e.seq desc") " "
                                         "from chat.events_before($1::bigint, $2::bigint::integer, "
                                         "$3::bigint, $4::bigint, $5::bigint) e) e "
                                         "where e.bytes_before < $6::bigint order by e.seq"},
    {"standings",
     "select m.chat_id, true, case when c.history = 2 then 1 else (select min(s.from_seq) from "
     "chat.member s where s.partition = m.partition and s.chat_id = m.chat_id "
     "and s.user_id = m.user_id) end, " HEAD(
         "m.partition",
         "m.chat_id") " "
                      "from chat.member m join chat.chat c on c.partition = m.partition "
                      "and c.chat_id = m.chat_id "
                      "where m.user_id = $1::bigint and m.to_seq = 0 and not c.deleted "
                      "union all "
                      "select a.chat_id, false, m.first_seq, m.last_seq "
                      "from (select partition, chat_id from unnest($2::bigint[], $3::bigint[]) "
                      "n (partition, chat_id) union select partition, chat_id "
                      "from (select e.partition, e.chat_id from chat.event e "
                      "where e.type = 3 and e.subject_id = $1::bigint "
                      "and e.at_ms > extract(epoch from now()) * 1000 - $4::bigint "
                      "order by e.at_ms desc limit $5::bigint) d) a "
                      "join chat.chat c on c.partition = a.partition and c.chat_id = a.chat_id "
                      "and not c.deleted "
                      "cross join lateral (select bool_or(s.to_seq = 0) as is_member, "
                      "min(s.from_seq) as first_seq, max(s.to_seq) as last_seq "
                      "from chat.member s where s.partition = a.partition "
                      "and s.chat_id = a.chat_id and s.user_id = $1::bigint) m "
                      "where not m.is_member"},
    {"several",
     "select " EVENT_IN_SEVERAL " from (select e.*, a.ord, " BYTES_BEFORE(
         "a.ord, e.seq") " "
                         "from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) "
                         "with ordinality a (partition, chat_id, after, most, ord) cross join "
                         "lateral "
                         "chat.events_after($1::bigint, a.partition::integer, a.chat_id, a.after, "
                         "a.most) e) e "
                         "where e.bytes_before < $6::bigint order by e.ord, e.seq"},
    {"last_seqs",
     "select coalesce(e.seq, 0), coalesce(e.at_ms, 0) "
     "from unnest($2::bigint[], $3::bigint[]) with ordinality a (partition, chat_id, ord) "
     "left join chat.member m on m.user_id = $1::bigint and m.partition = a.partition "
     "and m.chat_id = a.chat_id and m.to_seq = 0 "
     "left join lateral (select h.seq, h.at_ms from chat.event h where m.user_id is not null "
     "and h.partition = a.partition and h.chat_id = a.chat_id order by h.seq desc limit 1) e on "
     "true "
     "order by a.ord"},
    /* Unread ones are counted among the last thousand events, so up to a thousand. Mentions stand in the detail before the
     * application's own members, in the form of shared/proto/chat_content.c. */
    {"summaries",
     "select coalesce(e.seq, 0), coalesce(e.at_ms, 0), coalesce(r.read, 0), coalesce(u.unread, "
     "0), coalesce(u.mentions, 0), " EVENT " "
     "from unnest($2::bigint[], $3::bigint[]) with ordinality a (partition, chat_id, ord) "
     "left join chat.chat c on c.partition = a.partition and c.chat_id = a.chat_id "
     "left join chat.member m on m.user_id = $1::bigint and m.partition = a.partition "
     "and m.chat_id = a.chat_id and m.to_seq = 0 "
     "left join lateral (select h.* from chat.event h where m.user_id is not null "
     "and h.partition = a.partition and h.chat_id = a.chat_id order by h.seq desc limit 1) e on "
     "true "
     "left join chat.receipt r on r.partition = m.partition and r.chat_id = m.chat_id and "
     "r.user_id = m.user_id "
     "left join lateral (select count(*) as unread, count(*) filter (where n.detail ~ "
     "('^(\"reply_to\":[0-9]+,)?\"mentions\":\\[[^]]*\"' || $1::bigint || '\"')) as mentions from ("
     "select n.seq, n.type, n.sender_id, n.detail from chat.event n where m.user_id is not null "
     "and n.partition = a.partition and n.chat_id = a.chat_id and n.seq > coalesce(r.read, 0) "
     "order by n.seq desc limit 1000) n where n.type = 1 and n.sender_id <> $1::bigint "
     "and (n.seq >= m.from_seq or c.history = 2 or exists (select from chat.member s "
     "where s.partition = a.partition and s.chat_id = a.chat_id and s.user_id = $1::bigint "
     "and s.from_seq <= n.seq and s.to_seq >= n.seq))) u on true "
     "order by a.ord"},
    {"receipts",
     "select m.user_id, coalesce(r.delivered, 0), "
     "coalesce(case when m.user_id = $5::bigint then r.read else r.read_shown end, 0) "
     "from chat.member m "
     "left join chat.receipt r on r.partition = m.partition and r.chat_id = m.chat_id and "
     "r.user_id = m.user_id "
     "where m.partition = $1::bigint and m.chat_id = $2::bigint and m.to_seq = 0 and m.user_id > "
     "$3::bigint "
     "order by m.user_id limit $4::bigint"},
    {"traced",
     "select e.sender_id, e.at_ms, e.partition, e.feed_offset, "
     "(select count(*) from (select from chat.member m where m.partition = $2::bigint and "
     "m.chat_id = $3::bigint and m.from_seq <= $4::bigint and "
     "(m.to_seq = 0 or m.to_seq >= $4::bigint) limit $5::bigint) m) from "
     "chat.events_after($1::bigint, $2::bigint::integer, $3::bigint, $4::bigint - 1, 1) e "
     "where e.seq = $4::bigint and e.type = 1"},
    {"traced_members",
     "select m.user_id, coalesce(r.delivered, 0), coalesce(r.delivered_at_ms, 0), "
     "coalesce(r.read_shown, 0), coalesce(r.read_at_ms, 0) from chat.member m "
     "left join chat.receipt r on r.partition = m.partition and r.chat_id = m.chat_id and "
     "r.user_id = m.user_id "
     "where m.partition = $1::bigint and m.chat_id = $2::bigint and m.user_id > $3::bigint "
     "and m.user_id <> $4::bigint and m.from_seq <= $5::bigint "
     "and (m.to_seq = 0 or m.to_seq >= $5::bigint) order by m.user_id limit $6::bigint"},
    {"feed", "select " EVENT ", e.feed_offset from (select e.*, " BYTES_BEFORE(
                 "e.feed_offset") " from ("
                                  "select * from chat.event where partition = $1::bigint and "
                                  "feed_offset > $2::bigint "
                                  "order by feed_offset limit $3::bigint) e) e where "
                                  "e.bytes_before < $4::bigint order by e.feed_offset"},
    {"partition", "select epoch, head_offset from chat.partition where partition = $1::bigint"},
    {"heads", "select partition, epoch, head_offset from chat.partition order by partition"},
    {"events",
     "select a.ord - 1, " EVENT " "
     "from unnest($1::bigint[], $2::bigint[], $3::bigint[]) with ordinality a (partition, chat_id, "
     "seq, ord) "
     "join chat.event e on e.partition = a.partition and e.chat_id = a.chat_id and e.seq = a.seq"},
    /* `offset 0` keeps the head from being looked up for each member, and the members from being joined by a walk over those
     * of all chats. */
    {"rosters",
     "select a.ord - 1, h.head, coalesce(m.user_id, 0), coalesce(m.from_seq, 0), "
     "coalesce(m.to_seq, 0) "
     "from unnest($1::bigint[], $2::bigint[], $3::bigint[]) with ordinality a (partition, chat_id, "
     "from_seq, ord) "
     "cross join lateral (select " HEAD(
         "a.partition",
         "a.chat_id") " as head offset 0) h "
                      "left join lateral (select s.user_id, s.from_seq, s.to_seq from chat.member "
                      "s "
                      "where s.partition = a.partition and s.chat_id = a.chat_id "
                      "and (s.to_seq = 0 or s.to_seq >= a.from_seq) offset 0) m on true "
                      "order by a.ord limit $4::bigint"},
    /* In a direct chat, which has no third, the other one has the smaller id or the larger. */
    {"roles",
     "select case when m.is_member is null or c.deleted then 0 when m.is_member then 2 else 1 end, "
     "coalesce(m.role, 0), c.blocked <> 0 and (c.blocked >> (case when exists (select from "
     "chat.member o where o.partition = a.partition and o.chat_id = a.chat_id "
     "and o.user_id < a.user_id) then 1 else 0 end)) & 1 = 1 "
     "from unnest($1::bigint[], $2::bigint[], $3::bigint[]) with ordinality a (partition, chat_id, "
     "user_id, ord) "
     "left join chat.chat c on c.partition = a.partition and c.chat_id = a.chat_id "
     "cross join lateral (select bool_or(s.to_seq = 0) as is_member, "
     "max(s.role) filter (where s.to_seq = 0) as role from chat.member s "
     "where s.partition = a.partition and s.chat_id = a.chat_id and s.user_id = a.user_id) m "
     "order by a.ord"},
    {"companions",
     "select exists (select from chat.member m join chat.member o on o.user_id = a.other_id "
     "and o.partition = m.partition and o.chat_id = m.chat_id and o.to_seq = 0 "
     "where m.user_id = a.user_id and m.to_seq = 0) "
     "from unnest($1::bigint[], $2::bigint[]) with ordinality a (user_id, other_id, ord) "
     "order by a.ord"},
    {"note_poison", "insert into chat.poison as p (partition, chat_id, seq, reason) "
                    "values ($1::bigint, $2::bigint, $3::bigint, $4::text) "
                    "on conflict (partition, chat_id, seq) do update set reason = excluded.reason, "
                    "last_at = now(), "
                    "times = p.times + 1"},
};
/* clang-format on */

const size_t chat_read_statement_count =
    sizeof chat_read_statements / sizeof chat_read_statements[0];
