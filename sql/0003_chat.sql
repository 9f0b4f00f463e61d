-- chat: the logs. Per chat one gapless sequence of events, and who was a member from which event to which.
--
-- Every key begins with the partition, which follows from the chat's id, so that a distributed Postgres can shard by
-- it. Numbers for kinds, roles, types and history are those of shared/proto/chat_protocol.h. A `to_seq` of 0 is a span
-- that is still open.

create schema chat;
grant usage on schema chat to parley_chat;

-- Every statement of this daemon finds its rows through an index, and prepared plans live long: a plan that was made
-- while a table was small must not read all of it when it has grown. With the other kinds of plan priced out, just in
-- time compilation would think every statement dear.
alter role parley_chat set enable_seqscan = off;
alter role parley_chat set enable_hashjoin = off;
alter role parley_chat set enable_mergejoin = off;
alter role parley_chat set enable_bitmapscan = off;
alter role parley_chat set jit = off;

-- One row a partition; the row's epoch is the fence, its head the last offset of the partition's feed. Updated by every
-- commit, so its pages are kept nearly empty: the new version of a row fits beside the old one.
create table chat.partition (
    partition   integer primary key check (partition between 0 and 1023),
    epoch       bigint not null default 0,
    head_offset bigint not null default 0
) with (fillfactor = 20);

create table chat.chat (
    partition integer not null,
    chat_id   bigint not null,
    kind      smallint not null check (kind between 1 and 3),
    history   smallint not null check (history between 1 and 2),
    version   bigint not null,             -- of the last change of metadata's that is in the log
    blocked   smallint not null default 0, -- direct chats: bit 0: the smaller id may not write, bit 1: the larger
    deleted   boolean not null default false,
    primary key (partition, chat_id)
);

create table chat.event (
    partition   integer not null,
    chat_id     bigint not null,
    seq         bigint not null check (seq > 0),
    feed_offset bigint not null check (feed_offset > 0),
    type        smallint not null,
    sender_id   bigint not null,
    subject_id  bigint not null default 0, -- the user of a membership event
    at_ms       bigint not null,
    client_id   text,
    body        text,                      -- the JSON object as the client wrote it
    detail      text,                      -- further members of the event as JSON text
    primary key (partition, chat_id, seq)
);
create unique index event_feed on chat.event (partition, feed_offset);
create unique index event_client on chat.event (partition, chat_id, sender_id, client_id) where client_id is not null;

-- A span: a user was a member from the event from_seq to the event to_seq, both included.
create table chat.member (
    partition integer not null,
    chat_id   bigint not null,
    user_id   bigint not null,
    from_seq  bigint not null,
    to_seq    bigint not null default 0,
    role      smallint not null check (role between 1 and 4),
    primary key (partition, chat_id, user_id, from_seq),
    check (to_seq = 0 or to_seq > from_seq)
);
create unique index member_current on chat.member (user_id, partition, chat_id) where to_seq = 0;

create table chat.receipt (
    partition integer not null,
    chat_id   bigint not null,
    user_id   bigint not null,
    delivered bigint not null,
    read      bigint not null,
    primary key (partition, chat_id, user_id),
    check (0 <= read and read <= delivered)
) with (fillfactor = 80);

grant select, insert, update, delete on all tables in schema chat to parley_chat;

-- The number of partitions is fixed when they are made, at the first start of all; later p_count is not looked at.
create function chat.setup_partitions(p_count bigint) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_count bigint;
begin
    select count(*) into v_count from chat.partition;
    if v_count > 0 then
        return v_count;
    end if;
    lock table chat.partition in share row exclusive mode; -- two daemons may start at once
    insert into chat.partition (partition)
    select n from generate_series(0, p_count - 1) n where not exists (select from chat.partition);
    return (select count(*) from chat.partition);
end $$;

-- Takes those of the partitions that nobody else holds: a lock of this session, and a new epoch. The update waits for
-- a commit of the former owner's that is on its way; one that comes later fails at its fence.
create function chat.take_partitions(p_partitions bigint[])
returns table (taken_partition integer, taken_epoch bigint, taken_head bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_partition bigint;
begin
    foreach v_partition in array p_partitions loop
        if pg_try_advisory_lock(1885562977, v_partition::integer) then
            return query update chat.partition set epoch = epoch + 1 where partition = v_partition
                         returning partition, epoch, head_offset;
        end if;
    end loop;
end $$;

-- First statement of every commit: moves the heads on if the epochs are still the highest, and if nobody has written
-- since; otherwise nothing of the commit happens.
create function chat.fence(p_partitions bigint[], p_epochs bigint[], p_before bigint[], p_heads bigint[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_moved bigint;
begin
    update chat.partition p set head_offset = f.head
    from unnest(p_partitions, p_epochs, p_before, p_heads) f (partition, epoch, before, head)
    where p.partition = f.partition and p.epoch = f.epoch and p.head_offset = f.before;
    get diagnostics v_moved = row_count;
    if v_moved <> cardinality(p_partitions) then
        raise exception 'a partition has another owner or another head' using errcode = 'PF001';
    end if;
end $$;

-- Which stretches of a chat a user may see: a current member of a chat with shared history all of it, others their own
-- time as members. Stretches are disjoint.
create function chat.visible_spans(p_user bigint, p_partition integer, p_chat bigint)
returns table (from_seq bigint, to_seq bigint)
language sql stable as $$
    select case when c.history = 2 and m.to_seq = 0 then 1 else m.from_seq end,
           case when m.to_seq = 0 then 9223372036854775807 else m.to_seq end
    from chat.chat c
    join chat.member m on m.partition = c.partition and m.chat_id = c.chat_id and m.user_id = p_user
    where c.partition = p_partition and c.chat_id = p_chat and not c.deleted
      and (m.to_seq = 0 or c.history = 1
           or not exists (select from chat.member o where o.partition = p_partition and o.chat_id = p_chat
                          and o.user_id = p_user and o.to_seq = 0))
$$;

-- The first p_limit events above p_after that the user may see, oldest first. A stretch holds one event at least, so
-- p_limit stretches are enough: the cost does not grow with the length of the chat.
create function chat.events_after(p_user bigint, p_partition integer, p_chat bigint, p_after bigint, p_limit bigint)
returns setof chat.event
language sql stable as $$
    select e.*
    from (select s.from_seq, s.to_seq from chat.visible_spans(p_user, p_partition, p_chat) s
          where s.to_seq > p_after order by s.from_seq limit p_limit) s
    cross join lateral (
        select * from chat.event e
        where e.partition = p_partition and e.chat_id = p_chat
          and e.seq >= greatest(s.from_seq, p_after + 1) and e.seq <= s.to_seq
        order by e.seq limit p_limit) e
    order by e.seq limit p_limit
$$;

-- The last p_limit events below p_before that the user may see, newest first.
create function chat.events_before(p_user bigint, p_partition integer, p_chat bigint, p_before bigint, p_limit bigint)
returns setof chat.event
language sql stable as $$
    select e.*
    from (select s.from_seq, s.to_seq from chat.visible_spans(p_user, p_partition, p_chat) s
          where s.from_seq < p_before order by s.from_seq desc limit p_limit) s
    cross join lateral (
        select * from chat.event e
        where e.partition = p_partition and e.chat_id = p_chat
          and e.seq >= s.from_seq and e.seq <= least(s.to_seq, p_before - 1)
        order by e.seq desc limit p_limit) e
    order by e.seq desc limit p_limit
$$;

-- Watermarks of members: they never go back, read is at most delivered, and neither is above the head. Answers, in the
-- order asked, what stands now; `problem` is '' or a code of shared/net/problem.h, with `field` for a bad_request.
-- `moved`: this call changed it. Thousands may be asked for at once: here joining by hash is wanted.
create function chat.move_receipts(p_partitions bigint[], p_chats bigint[], p_users bigint[], p_delivered bigint[],
                                   p_read bigint[])
returns table (problem text, field text, now_delivered bigint, now_read bigint, moved boolean)
language plpgsql set search_path = pg_catalog, pg_temp set enable_hashjoin = on as $$
begin
    return query
    with asked as materialized (
        select a.ord, a.partition::integer as partition, a.chat_id, a.user_id,
               greatest(a.delivered, a.read) as delivered, a.read, a.delivered as delivered_asked,
               (select coalesce(max(e.seq), 0) from chat.event e
                where e.partition = a.partition and e.chat_id = a.chat_id) as head,
               (select bool_or(m.to_seq = 0) from chat.member m
                where m.partition = a.partition and m.chat_id = a.chat_id and m.user_id = a.user_id) as is_member,
               exists (select from chat.chat c where c.partition = a.partition and c.chat_id = a.chat_id
                       and not c.deleted) as is_there
        from unnest(p_partitions, p_chats, p_users, p_delivered, p_read)
             with ordinality a (partition, chat_id, user_id, delivered, read, ord)
    ), judged as materialized (
        select a.*, case when not a.is_there or a.is_member is null then 'not_found'
                         when not a.is_member then 'not_member'
                         when a.delivered > a.head then 'bad_request' else '' end as problem,
               case when a.read > a.head then 'read' else 'delivered' end as field
        from asked a
    ), wanted as (
        select j.partition, j.chat_id, j.user_id, max(j.delivered) as delivered, max(j.read) as read
        from judged j where j.problem = '' and j.delivered > 0
        group by j.partition, j.chat_id, j.user_id
        order by j.partition, j.chat_id, j.user_id -- rows are locked in one order everywhere
    ), moved as (
        insert into chat.receipt as r (partition, chat_id, user_id, delivered, read)
        select * from wanted
        on conflict (partition, chat_id, user_id) do update
            set delivered = greatest(r.delivered, excluded.delivered), read = greatest(r.read, excluded.read)
            where excluded.delivered > r.delivered or excluded.read > r.read
        returning r.partition, r.chat_id, r.user_id, r.delivered, r.read
    )
    select j.problem, j.field, coalesce(m.delivered, old.delivered, 0), coalesce(m.read, old.read, 0),
           m.user_id is not null
    from judged j
    left join moved m on m.partition = j.partition and m.chat_id = j.chat_id and m.user_id = j.user_id
    left join chat.receipt old
        on old.partition = j.partition and old.chat_id = j.chat_id and old.user_id = j.user_id
    order by j.ord;
end $$;

grant execute on all functions in schema chat to parley_chat;
