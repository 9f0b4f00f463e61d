-- metadata: chats, who is in them with which role, and each member's own settings.
--
-- Every change of a chat is one function: it locks the chat's row, decides, writes, counts the chat's version up and
-- leaves a row in the outbox, all in one transaction. The daemon takes the rows of a chat to its log in version order.
-- Functions answer `problem`: '' when done, otherwise a code of shared/net/problem.h. Numbers for kinds, roles and
-- changes are those of shared/proto/chat_protocol.h.

create schema metadata;
grant usage on schema metadata to parley_metadata;

create table metadata.chat (
    chat_id       bigint primary key,
    kind          smallint not null check (kind between 1 and 3),
    title         text,
    description   text,
    avatar        text,
    history       smallint not null check (history between 1 and 2),
    created_at_ms bigint not null,
    version       bigint not null default 0,
    member_count  integer not null default 0,
    blocked       smallint not null default 0,
    deleted       boolean not null default false,
    low_id        bigint,  -- direct chats: the two members, the smaller id first
    high_id       bigint,
    check ((kind = 1) = (low_id is not null and high_id is not null and low_id < high_id))
);
-- A direct chat is one per pair.
create unique index chat_pair on metadata.chat (low_id, high_id) where kind = 1;

-- A former member keeps a row with active = false: they are told `not_member`, a stranger `not_found`.
create table metadata.member (
    chat_id        bigint not null references metadata.chat,
    user_id        bigint not null,
    role           smallint not null check (role between 1 and 4),
    active         boolean not null default true,
    since_version  bigint not null,
    muted_until_ms bigint,
    pinned         boolean not null default false,
    archived       boolean not null default false,
    primary key (chat_id, user_id)
);
create index member_chats on metadata.member (user_id, chat_id) where active;

-- What is committed here and not yet in the chat's log. In (chat_id, version) order, deleted once it is there.
create table metadata.outbox (
    chat_id      bigint not null,
    version      bigint not null,
    change_kind  smallint not null,
    by_id        bigint not null,
    kind         smallint not null,
    history      smallint not null,
    blocked      smallint not null,
    detail       text not null default '',
    member_ids   bigint[] not null default '{}',
    member_roles bigint[] not null default '{}',
    primary key (chat_id, version)
);

-- How far the user daemon's changes have been taken over.
create table metadata.user_cursor (
    singleton   boolean primary key default true check (singleton),
    feed_offset bigint not null
);
insert into metadata.user_cursor (feed_offset) values (0);

grant select, insert, update, delete on all tables in schema metadata to parley_metadata;

-- Counts the version up and leaves the change in the outbox. The caller holds the lock on the chat's row.
create function metadata.leave_change(p_chat bigint, p_change smallint, p_by bigint, p_detail text,
                                      p_members bigint[], p_roles bigint[]) returns bigint
language plpgsql as $$
declare
    v_chat metadata.chat;
begin
    update metadata.chat set version = version + 1 where chat_id = p_chat returning * into v_chat;
    insert into metadata.outbox (chat_id, version, change_kind, by_id, kind, history, blocked, detail,
                                 member_ids, member_roles)
    values (p_chat, v_chat.version, p_change, p_by, v_chat.kind, v_chat.history, v_chat.blocked, p_detail,
            p_members, p_roles);
    return v_chat.version;
end $$;

-- Locks the chat and tells the caller's standing: '' and a role, or why they may not even know of it.
create function metadata.lock_chat(p_chat bigint, p_caller bigint, out problem text, out caller_role smallint)
language plpgsql as $$
declare
    v_active boolean;
begin
    perform 1 from metadata.chat where chat_id = p_chat and not deleted for update;
    if not found then
        problem := 'not_found';
        return;
    end if;
    select active, role into v_active, caller_role from metadata.member where chat_id = p_chat and user_id = p_caller;
    problem := case when v_active is null then 'not_found' when not v_active then 'not_member' else '' end;
end $$;

-- One of these users who could not join one more chat, or null.
create function metadata.full_user(p_users bigint[], p_max_chats bigint) returns bigint
language sql stable as $$
    select user_id from metadata.member
    where user_id = any (p_users) and active
    group by user_id having count(*) >= p_max_chats limit 1
$$;

create function metadata.create_chat(p_chat bigint, p_kind smallint, p_title text, p_description text, p_avatar text,
                                     p_history smallint, p_by bigint, p_now_ms bigint, p_members bigint[],
                                     p_member_role smallint, p_max_chats bigint,
                                     out problem text, out version bigint)
language plpgsql as $$
declare
    v_members bigint[] := array[p_by] || p_members;
    v_roles bigint[] := array[4::bigint] || array_fill(p_member_role::bigint, array[cardinality(p_members)]);
begin
    version := 0;
    problem := '';
    if metadata.full_user(v_members, p_max_chats) is not null then
        problem := 'conflict';
        return;
    end if;
    insert into metadata.chat (chat_id, kind, title, description, avatar, history, created_at_ms, member_count)
    values (p_chat, p_kind, p_title, p_description, p_avatar, p_history, p_now_ms, cardinality(v_members));
    insert into metadata.member (chat_id, user_id, role, since_version)
    select p_chat, user_id, role, 1 from unnest(v_members, v_roles) as added (user_id, role);
    version := metadata.leave_change(p_chat, 1::smallint, p_by, '', v_members, v_roles);
end $$;

-- p_blocked: who of the two may not write, as of now. created is false when the pair had its chat already.
create function metadata.create_direct(p_chat bigint, p_by bigint, p_other bigint, p_blocked smallint,
                                       p_now_ms bigint, p_max_chats bigint,
                                       out problem text, out chat_id bigint, out version bigint, out created boolean)
language plpgsql as $$
declare
    v_low bigint := least(p_by, p_other);
    v_high bigint := greatest(p_by, p_other);
begin
    problem := '';
    created := false;
    select c.chat_id, c.version into chat_id, version from metadata.chat c
    where c.kind = 1 and c.low_id = v_low and c.high_id = v_high;
    if found then
        return;
    end if;
    if metadata.full_user(array[p_by, p_other], p_max_chats) is not null then
        problem := 'conflict';
        return;
    end if;
    insert into metadata.chat (chat_id, kind, history, created_at_ms, member_count, blocked, low_id, high_id)
    values (p_chat, 1, 1, p_now_ms, 2, p_blocked, v_low, v_high)
    on conflict (low_id, high_id) where kind = 1 do nothing;
    if not found then -- the other of the two was quicker
        select c.chat_id, c.version into chat_id, version from metadata.chat c
        where c.kind = 1 and c.low_id = v_low and c.high_id = v_high;
        return;
    end if;
    created := true;
    chat_id := p_chat;
    insert into metadata.member (chat_id, user_id, role, since_version)
    values (p_chat, p_by, 2, 1), (p_chat, p_other, 2, 1);
    version := metadata.leave_change(p_chat, 1::smallint, p_by, '', array[p_by, p_other], array[2, 2]::bigint[]);
end $$;

-- p_set says which of the fields are given: bit 0 title, 1 description, 2 avatar, 3 history.
create function metadata.update_chat(p_chat bigint, p_by bigint, p_set integer, p_title text, p_description text,
                                     p_avatar text, p_history smallint, p_detail text,
                                     out problem text, out version bigint)
language plpgsql as $$
declare
    v_role smallint;
    v_kind smallint;
begin
    version := 0;
    select l.problem, l.caller_role into problem, v_role from metadata.lock_chat(p_chat, p_by) l;
    if problem <> '' then
        return;
    end if;
    select kind into v_kind from metadata.chat where chat_id = p_chat;
    if v_role < 3 or v_kind = 1 then
        problem := 'forbidden';
        return;
    end if;
    update metadata.chat set
        title = case when p_set & 1 <> 0 then p_title else title end,
        description = case when p_set & 2 <> 0 then p_description else description end,
        avatar = case when p_set & 4 <> 0 then p_avatar else avatar end,
        history = case when p_set & 8 <> 0 then p_history else history end
    where chat_id = p_chat;
    version := metadata.leave_change(p_chat, 4::smallint, p_by, p_detail, '{}', '{}');
end $$;

create function metadata.delete_chat(p_chat bigint, p_by bigint, out problem text, out version bigint)
language plpgsql as $$
declare
    v_role smallint;
begin
    version := 0;
    select l.problem, l.caller_role into problem, v_role from metadata.lock_chat(p_chat, p_by) l;
    if problem <> '' then
        return;
    end if;
    if v_role < 4 then
        problem := 'forbidden';
        return;
    end if;
    update metadata.member set active = false where chat_id = p_chat and active;
    update metadata.chat set deleted = true, member_count = 0 where chat_id = p_chat;
    version := metadata.leave_change(p_chat, 5::smallint, p_by, '', '{}', '{}');
end $$;

-- Adds a member or changes a role. p_role 0: not given (an added member gets the kind's usual role, a present one keeps
-- theirs). Who may: owner and admin add and change those below them; only owners make owners and admins' equals.
create function metadata.put_member(p_chat bigint, p_by bigint, p_user bigint, p_role smallint, p_max_members bigint,
                                    p_max_chats bigint, out problem text, out role smallint, out version bigint)
language plpgsql as $$
declare
    v_caller smallint;
    v_chat metadata.chat;
    v_before metadata.member;
    v_role smallint := p_role;
begin
    version := 0;
    role := 0;
    select l.problem, l.caller_role into problem, v_caller from metadata.lock_chat(p_chat, p_by) l;
    if problem <> '' then
        return;
    end if;
    select * into v_chat from metadata.chat where chat_id = p_chat;
    select * into v_before from metadata.member m where m.chat_id = p_chat and m.user_id = p_user and m.active;
    if v_role = 0 then
        v_role := coalesce(v_before.role, case when v_chat.kind = 3 then 1 else 2 end);
    end if;
    if v_chat.kind = 1 or v_caller < 3
       or (v_caller < 4 and v_role >= v_caller and v_before.role is distinct from v_role)
       or (v_caller < 4 and v_before.role >= v_caller and v_before.role <> v_role and p_user <> p_by) then
        problem := 'forbidden';
        return;
    end if;
    role := v_role;
    if v_before.role = v_role then
        return; -- as it is already: nothing to write
    end if;
    if v_before.role = 4 and not exists (select 1 from metadata.member m where m.chat_id = p_chat and m.active
                                         and m.role = 4 and m.user_id <> p_user) then
        problem := 'conflict'; -- the last owner hands over first
        return;
    end if;
    if v_before.role is null then
        if v_chat.member_count >= p_max_members or metadata.full_user(array[p_user], p_max_chats) is not null then
            problem := 'conflict';
            return;
        end if;
        update metadata.chat set member_count = member_count + 1 where chat_id = p_chat;
    end if;
    insert into metadata.member as m (chat_id, user_id, role, since_version)
    values (p_chat, p_user, v_role, v_chat.version + 1)
    on conflict (chat_id, user_id) do update
        set role = excluded.role, active = true,
            since_version = case when m.active then m.since_version else excluded.since_version end,
            muted_until_ms = case when m.active then m.muted_until_ms end,
            pinned = m.active and m.pinned, archived = m.active and m.archived;
    version := metadata.leave_change(p_chat, 2::smallint, p_by, '', array[p_user], array[v_role::bigint]);
end $$;

create function metadata.remove_member(p_chat bigint, p_by bigint, p_user bigint,
                                       out problem text, out version bigint)
language plpgsql as $$
declare
    v_caller smallint;
    v_role smallint;
    v_kind smallint;
begin
    version := 0;
    select l.problem, l.caller_role into problem, v_caller from metadata.lock_chat(p_chat, p_by) l;
    if problem <> '' then
        return;
    end if;
    select kind into v_kind from metadata.chat where chat_id = p_chat;
    if v_kind = 1 then
        problem := 'forbidden';
        return;
    end if;
    select role into v_role from metadata.member where chat_id = p_chat and user_id = p_user and active;
    if p_user <> p_by and v_caller < 3 then
        problem := 'forbidden';
        return;
    end if;
    if v_role is null then
        problem := 'not_found';
        return;
    end if;
    if p_user <> p_by and v_caller < 4 and v_role >= v_caller then
        problem := 'forbidden';
        return;
    end if;
    if v_role = 4 and not exists (select 1 from metadata.member where chat_id = p_chat and active and role = 4
                                  and user_id <> p_user) then
        problem := 'conflict'; -- the last owner hands over first, or deletes the chat
        return;
    end if;
    update metadata.member set active = false where chat_id = p_chat and user_id = p_user;
    update metadata.chat set member_count = member_count - 1 where chat_id = p_chat;
    version := metadata.leave_change(p_chat, 3::smallint, p_by, '', array[p_user], array[v_role::bigint]);
end $$;

-- p_set: bit 0 muted_until, 1 pinned, 2 archived.
create function metadata.update_own(p_chat bigint, p_user bigint, p_set integer, p_muted_until_ms bigint,
                                    p_pinned boolean, p_archived boolean, out problem text,
                                    out muted_until_ms bigint, out pinned boolean, out archived boolean)
language plpgsql as $$
begin
    select l.problem into problem from metadata.lock_chat(p_chat, p_user) l;
    if problem <> '' then
        return;
    end if;
    update metadata.member m set
        muted_until_ms = case when p_set & 1 <> 0 then p_muted_until_ms else m.muted_until_ms end,
        pinned = case when p_set & 2 <> 0 then p_pinned else m.pinned end,
        archived = case when p_set & 4 <> 0 then p_archived else m.archived end
    where m.chat_id = p_chat and m.user_id = p_user
    returning m.muted_until_ms, m.pinned, m.archived into muted_until_ms, pinned, archived;
end $$;

-- One change of the user daemon's feed. Again is harmless: the cursor says what was taken over. Answers what is new
-- in the outbox.
create function metadata.take_user_change(p_offset bigint, p_kind smallint, p_user bigint, p_other bigint)
returns table (out_chat bigint, out_version bigint)
language plpgsql as $$
declare
    v_chat metadata.chat;
    v_bit smallint;
    v_role smallint;
    v_heir bigint;
    v_heir_role smallint;
begin
    update metadata.user_cursor set feed_offset = p_offset where feed_offset = p_offset - 1;
    if not found then
        return;
    end if;
    if p_kind in (4, 5) then -- p_user has blocked p_other, or taken it back: p_other may not, or may again, write
        v_bit := case when p_other < p_user then 1 else 2 end;
        select * into v_chat from metadata.chat
        where kind = 1 and low_id = least(p_user, p_other) and high_id = greatest(p_user, p_other) for update;
        if found and ((v_chat.blocked & v_bit) <> 0) <> (p_kind = 4) then
            update metadata.chat set blocked = blocked # v_bit where chat_id = v_chat.chat_id;
            out_chat := v_chat.chat_id;
            out_version := metadata.leave_change(v_chat.chat_id, 6::smallint, p_user, '', '{}', '{}');
            return next;
        end if;
    elsif p_kind = 6 then -- p_user is erased: they leave every chat, and what they alone owned gets an heir
        for v_chat in
            select c.* from metadata.chat c join metadata.member m using (chat_id)
            where m.user_id = p_user and m.active order by c.chat_id for update of c
        loop
            select role into v_role from metadata.member where chat_id = v_chat.chat_id and user_id = p_user;
            if v_role = 4 and not exists (select 1 from metadata.member where chat_id = v_chat.chat_id and active
                                          and role = 4 and user_id <> p_user) then
                select user_id, role into v_heir, v_heir_role from metadata.member
                where chat_id = v_chat.chat_id and active and user_id <> p_user
                order by role desc, since_version, user_id limit 1;
                if v_heir is not null then
                    update metadata.member set role = 4 where chat_id = v_chat.chat_id and user_id = v_heir;
                    perform metadata.leave_change(v_chat.chat_id, 2::smallint, p_user, '', array[v_heir],
                                                  array[4::bigint]);
                end if;
            end if;
            update metadata.member set active = false where chat_id = v_chat.chat_id and user_id = p_user;
            update metadata.chat set member_count = member_count - 1 where chat_id = v_chat.chat_id;
            out_chat := v_chat.chat_id;
            out_version := metadata.leave_change(v_chat.chat_id, 3::smallint, p_user, '', array[p_user],
                                                 array[v_role::bigint]);
            return next;
        end loop;
    end if;
end $$;

grant execute on all functions in schema metadata to parley_metadata;
