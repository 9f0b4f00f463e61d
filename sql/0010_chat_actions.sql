-- chat: what is done to messages, and how far others may see that somebody has read.
--
-- An edit, a delete and a reaction are events of the log like all others; `subject_id` of their rows is the seq of the
-- message that they are about. What they make of the message stands in the message's own row, so that a reader of the log
-- need look nowhere else: these columns are null until something is done to it, and a null costs neither space nor
-- time. The pages stay full (fillfactor 100): room for new versions would be paid by every message, and few are ever
-- touched. A new version of a row whose page is full goes to another page, with new entries in the indexes; no indexed
-- column ever changes, so where there is room the update is heap-only.
alter table chat.event
    add column edit_seq      bigint,  -- of the latest edit, whose row has the latest body; this one keeps the first
    add column delete_seq    bigint,  -- body, detail and edit_seq are null from then on, reactions too
    add column edits         integer, -- how many there are
    add column reactions     integer, -- how many rows of chat.reaction it has
    add column previous_edit bigint;  -- of an edit: the seq of the edit before it
comment on column chat.event.subject_id is
    'the user of a membership event; of an edit, a delete or a reaction the seq of the message';

-- From an edit back to the latest that is not above p_until; null when there is none. All edits of a message hang together
-- like this, so that they are found by the primary key: an index of their own would have to be looked at for every message.
create function chat.edit_until(p_partition integer, p_chat bigint, p_edit bigint, p_until bigint) returns bigint
language plpgsql stable as $$
declare
    v_edit bigint := p_edit;
begin
    while v_edit > p_until loop
        select e.previous_edit into v_edit from chat.event e
        where e.partition = p_partition and e.chat_id = p_chat and e.seq = v_edit;
    end loop;
    return v_edit;
end $$;

-- The reactions that are on. The seq is that of the event: the order of reacting.
create table chat.reaction (
    partition integer not null,
    chat_id   bigint not null,
    target    bigint not null,
    emoji     text collate "C" not null,
    user_id   bigint not null,
    seq       bigint not null,
    primary key (partition, chat_id, target, emoji, user_id)
);
grant select, insert, update, delete on chat.reaction to parley_chat;

-- {"emoji":["user",…],…} as JSON text: emojis in the order of their first reaction, users in the order of reacting.
create function chat.reactions_of(p_partition integer, p_chat bigint, p_seq bigint, p_until bigint) returns text
language sql stable as $$
    select '{' || string_agg(g.member, ',' order by g.first_seq) || '}'
    from (select min(r.seq) as first_seq,
                 to_json(r.emoji)::text || ':[' || string_agg('"' || r.user_id || '"', ',' order by r.seq) || ']' as member
          from chat.reaction r
          where r.partition = p_partition and r.chat_id = p_chat and r.target = p_seq and r.seq <= p_until
          group by r.emoji) g
$$;

-- How far a user sees what is done to the messages of a chat: a former member, to the end of their time and no further.
create function chat.seen_until(p_user bigint, p_partition integer, p_chat bigint) returns bigint
language sql stable as $$
    select case when bool_or(m.to_seq = 0) then 9223372036854775807 else max(m.to_seq) end
    from chat.member m where m.partition = p_partition and m.chat_id = p_chat and m.user_id = p_user
$$;

-- What somebody who does something to a message may know of it, and what decides on it; no row when it is not there, is no
-- message, or is not for them to see. p_emoji: of a reaction; p_body: of an edit. Each reaction asks for itself, also a
-- hundred to the same message: emojis are only counted for one that nobody reacts with yet.
create function chat.target(p_user bigint, p_partition integer, p_chat bigint, p_seq bigint, p_emoji text, p_body text)
returns table (is_there boolean, is_deleted boolean, sender_id bigint, edit_seq bigint, edits integer, detail_bytes integer, reactions integer,
               emojis bigint, head_at_ms bigint, same_edit_at_ms bigint, has_emoji boolean, is_on boolean)
language sql stable as $$
    select true, m.delete_seq is not null, m.sender_id, m.edit_seq, m.edits, octet_length(m.detail), m.reactions,
           case when p_emoji is not null and m.reactions > 0 and not r.has_emoji then
               (select count(distinct o.emoji) from chat.reaction o
                where o.partition = p_partition and o.chat_id = p_chat and o.target = p_seq) end,
           case when p_emoji is not null then
               (select h.at_ms from chat.event h where h.partition = p_partition and h.chat_id = p_chat
                order by h.seq desc limit 1) end,
           (select x.at_ms from chat.event x where x.partition = p_partition and x.chat_id = p_chat
            and x.seq = m.edit_seq and x.body = p_body),
           r.has_emoji, r.is_on
    from chat.event m
    cross join lateral (
        select exists (select from chat.reaction o where o.partition = p_partition and o.chat_id = p_chat
                       and o.target = p_seq and o.emoji = p_emoji) as has_emoji,
               exists (select from chat.reaction o where o.partition = p_partition and o.chat_id = p_chat
                       and o.target = p_seq and o.emoji = p_emoji and o.user_id = p_user) as is_on) r
    where m.partition = p_partition and m.chat_id = p_chat and m.seq = p_seq and m.type = 1
      and exists (select from chat.visible_spans(p_user, p_partition, p_chat) s
                  where p_seq between s.from_seq and s.to_seq)
$$;

-- read_shown: what others see of `read`. It moves with it, except for users who hide how far they have read. The times are
-- those at which `delivered` and `read_shown` moved last: what is hidden from others has no time either.
alter table chat.receipt
    add column read_shown      bigint not null default 0,
    add column delivered_at_ms bigint,
    add column read_at_ms      bigint;
update chat.receipt set read_shown = read;
alter table chat.receipt add constraint receipt_shown check (0 <= read_shown and read_shown <= read);

drop function chat.move_receipts(bigint[], bigint[], bigint[], bigint[], bigint[]);

-- Watermarks of members: they never go back, read is at most delivered, and neither is above the head. Answers, in the
-- order asked, what stands now; `problem` is '' or a code of shared/net/problem.h, with `field` for a bad_request.
-- p_hides: 1 keeps this `read` from the others. `moved`: this call changed something, `shown_moved`: something that
-- others may see. Thousands may be asked for at once: here joining by hash is wanted.
create function chat.move_receipts(p_partitions bigint[], p_chats bigint[], p_users bigint[], p_delivered bigint[],
                                   p_read bigint[], p_hides bigint[], p_at_ms bigint)
returns table (problem text, field text, now_delivered bigint, now_read bigint, now_shown bigint, moved boolean,
               shown_moved boolean)
language plpgsql set search_path = pg_catalog, pg_temp set enable_hashjoin = on as $$
begin
    return query
    with asked as materialized (
        select a.ord, a.partition::integer as partition, a.chat_id, a.user_id,
               greatest(a.delivered, a.read) as delivered, a.read,
               case when a.hides = 0 then a.read else 0 end as read_shown,
               (select coalesce(max(e.seq), 0) from chat.event e
                where e.partition = a.partition and e.chat_id = a.chat_id) as head,
               (select bool_or(m.to_seq = 0) from chat.member m
                where m.partition = a.partition and m.chat_id = a.chat_id and m.user_id = a.user_id) as is_member,
               exists (select from chat.chat c where c.partition = a.partition and c.chat_id = a.chat_id
                       and not c.deleted) as is_there
        from unnest(p_partitions, p_chats, p_users, p_delivered, p_read, p_hides)
             with ordinality a (partition, chat_id, user_id, delivered, read, hides, ord)
    ), judged as materialized (
        select a.*, case when not a.is_there or a.is_member is null then 'not_found'
                         when not a.is_member then 'not_member'
                         when a.delivered > a.head then 'bad_request' else '' end as problem,
               case when a.read > a.head then 'read' else 'delivered' end as field
        from asked a
    ), wanted as materialized (
        select j.partition, j.chat_id, j.user_id, max(j.delivered) as delivered, max(j.read) as read,
               max(j.read_shown) as read_shown
        from judged j where j.problem = '' and j.delivered > 0
        group by j.partition, j.chat_id, j.user_id
        order by j.partition, j.chat_id, j.user_id -- rows are locked in one order everywhere
    ), moved as (
        insert into chat.receipt as r (partition, chat_id, user_id, delivered, read, read_shown, delivered_at_ms,
                                       read_at_ms)
        select w.*, p_at_ms, case when w.read_shown > 0 then p_at_ms end from wanted w
        on conflict (partition, chat_id, user_id) do update
            set delivered = greatest(r.delivered, excluded.delivered), read = greatest(r.read, excluded.read),
                read_shown = greatest(r.read_shown, excluded.read_shown),
                delivered_at_ms = case when excluded.delivered > r.delivered then p_at_ms else r.delivered_at_ms end,
                read_at_ms = case when excluded.read_shown > r.read_shown then p_at_ms else r.read_at_ms end
            where excluded.delivered > r.delivered or excluded.read > r.read or excluded.read_shown > r.read_shown
        returning r.partition, r.chat_id, r.user_id, r.delivered, r.read, r.read_shown
    )
    select j.problem, j.field, coalesce(m.delivered, old.delivered, 0), coalesce(m.read, old.read, 0),
           coalesce(m.read_shown, old.read_shown, 0), m.user_id is not null,
           coalesce(m.delivered > coalesce(old.delivered, 0) or m.read_shown > coalesce(old.read_shown, 0), false)
    from judged j
    left join moved m on m.partition = j.partition and m.chat_id = j.chat_id and m.user_id = j.user_id
    left join chat.receipt old -- as it was before: what this statement writes is not seen by it
        on old.partition = j.partition and old.chat_id = j.chat_id and old.user_id = j.user_id
    order by j.ord;
end $$;

grant execute on all functions in schema chat to parley_chat;
