-- users: what a user does not want to be seen, devices that their user looks at, names and removes, and a feed of changes
-- that does not grow for ever. metadata: nobody joins a chat after they were erased.

-- --- privacy ---

-- Bits of enum user_flag in shared/proto/user_protocol.h.
alter table users.account add column flags smallint not null default 0 check (flags between 0 and 3);

alter table users.change
    add column flags smallint not null default 0,
    add column at timestamptz not null default now(), -- after some days it is deleted
    drop constraint change_kind_check,
    add constraint change_kind_check check (kind between 1 and 7);

-- As before, and for USER_CHANGE_PRIVACY with the flags.
drop function users.leave_change(integer, bigint, bigint, bigint, bigint);
create function users.leave_change(p_kind integer, p_user bigint, p_device bigint, p_session bigint, p_other bigint,
                                   p_flags integer default 0)
returns bigint language plpgsql set search_path = pg_catalog as $$
declare
    v_head bigint;
begin
    update users.change_head set head = head + 1 returning head into v_head;
    insert into users.change (feed_offset, kind, user_id, device_id, session_id, other_id, flags)
    values (v_head, p_kind, p_user, p_device, p_session, p_other, p_flags);
    return v_head;
end $$;

-- Changes what is given of a profile: p_mask says which bits of p_flags are. No row: the account is gone. out_head is 0
-- when the feed has nothing to tell of it.
create function users.update_profile(p_user bigint, p_display_name text, p_set_avatar boolean, p_avatar text,
                                     p_mask bigint, p_flags bigint)
returns table (out_user bigint, out_username text, out_display_name text, out_avatar text, out_created_at_ms bigint,
               out_flags smallint, out_head bigint)
language plpgsql set search_path = pg_catalog as $$
declare
    v_before smallint;
begin
    select flags into v_before from users.account where user_id = p_user and erased_at_ms is null for no key update;
    if not found then
        return;
    end if;
    update users.account a set
        display_name = coalesce(p_display_name, a.display_name),
        avatar = case when p_set_avatar then p_avatar else a.avatar end,
        flags = (a.flags & ~p_mask) | (p_flags & p_mask)
    where a.user_id = p_user
    returning a.user_id, a.username, a.display_name, a.avatar, a.created_at_ms, a.flags
        into out_user, out_username, out_display_name, out_avatar, out_created_at_ms, out_flags;
    out_head := 0;
    if out_flags <> v_before then
        out_head := users.leave_change(7, p_user, 0, 0, 0, out_flags);
    end if;
    return next;
end $$;

-- As before, and the flags go too.
create or replace function users.erase(p_user bigint, p_now_ms bigint, out problem text, out out_head bigint)
language plpgsql set search_path = pg_catalog as $$
declare
    v_device bigint;
begin
    out_head := 0;
    if not users.lock_account(p_user) then
        problem := 'unauthorized';
        return;
    end if;
    delete from users.block where user_id = p_user or other_id = p_user;
    update users.account set username = null, display_name = '', avatar = null, password_hash = null, flags = 0,
                             erased_at_ms = p_now_ms
    where user_id = p_user;
    perform users.end_sessions(p_user, 0);
    for v_device in delete from users.device where user_id = p_user returning device_id
    loop
        perform users.leave_change(2, p_user, v_device, 0, 0);
    end loop;
    problem := '';
    out_head := users.leave_change(6, p_user, 0, 0, 0);
end $$;

-- --- devices ---

-- Of the devices that are there already, the earliest time that is known.
alter table users.device add column created_at_ms bigint not null default 0;
update users.device d set created_at_ms = least(
    d.last_used_at_ms, (select s.created_at_ms from users.session s where s.device_id = d.device_id));
drop index users.device_user;
create index device_order on users.device (user_id, created_at_ms, device_id);

-- As before, and a new device has the time of its login.
create or replace function users.login(p_user bigint, p_password_hash text, p_device bigint, p_new_device bigint,
                                       p_name text, p_session bigint, p_token_hash bytea, p_now_ms bigint,
                                       p_expires_ms bigint, p_max_devices bigint,
                                       out problem text, out out_device bigint, out out_name text, out out_head bigint)
language plpgsql set search_path = pg_catalog as $$
declare
    v_ended bigint;
begin
    out_head := 0;
    perform 1 from users.account where user_id = p_user and password_hash = p_password_hash for no key update;
    if not found then
        problem := 'unauthorized';
        return;
    end if;
    if p_device <> 0 then
        update users.device set name = coalesce(p_name, name), last_used_at_ms = p_now_ms
        where device_id = p_device and user_id = p_user returning device_id, name into out_device, out_name;
        if not found then
            problem := 'not_found';
            return;
        end if;
        delete from users.session where device_id = p_device returning session_id into v_ended;
        if v_ended is not null then
            perform users.leave_change(3, p_user, p_device, v_ended, 0);
        end if;
    else
        problem := users.make_room(p_user, p_now_ms, p_max_devices);
        if problem <> '' then
            return;
        end if;
        out_device := p_new_device;
        out_name := coalesce(p_name, '');
        insert into users.device (device_id, user_id, name, created_change, created_at_ms, last_used_at_ms)
        values (out_device, p_user, out_name, users.leave_change(1, p_user, out_device, 0, 0), p_now_ms, p_now_ms);
    end if;
    insert into users.session (session_id, user_id, device_id, token_hash, created_at_ms, expires_at_ms)
    values (p_session, p_user, out_device, p_token_hash, p_now_ms, p_expires_ms);
    problem := '';
    out_head := users.head();
end $$;

-- Ends the device's session and takes it away; delivery drops its inbox.
create function users.remove_device(p_user bigint, p_device bigint, out problem text, out out_head bigint)
language plpgsql set search_path = pg_catalog as $$
declare
    v_session bigint;
begin
    out_head := 0;
    if not users.lock_account(p_user) then
        problem := 'unauthorized';
        return;
    end if;
    delete from users.session where device_id = p_device and user_id = p_user returning session_id into v_session;
    delete from users.device where device_id = p_device and user_id = p_user;
    if not found then
        problem := 'not_found';
        return;
    end if;
    if v_session is not null then
        perform users.leave_change(3, p_user, p_device, v_session, 0);
    end if;
    problem := '';
    out_head := users.leave_change(2, p_user, p_device, 0, 0);
end $$;

-- --- erased users in chats ---

-- Whose erasure was taken over. A token is believed for half a second after its end, and somebody may be added while they
-- erase their account: without this they would be in that chat for ever, maybe as its only owner.
create table metadata.erased (
    user_id bigint primary key
);
grant select, insert on metadata.erased to parley_metadata;
insert into metadata.erased (user_id) select user_id from users.account where erased_at_ms is not null;

-- One of these users who could not join one more chat, or null.
create or replace function metadata.full_user(p_users bigint[], p_max_chats bigint) returns bigint
language sql stable as $$
    (select user_id from metadata.erased where user_id = any (p_users) limit 1)
    union all
    (select user_id from metadata.member
     where user_id = any (p_users) and active
     group by user_id having count(*) >= p_max_chats limit 1)
    limit 1
$$;

-- As before, and an erased user is remembered.
create or replace function metadata.take_user_change(p_offset bigint, p_kind smallint, p_user bigint, p_other bigint)
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
        insert into metadata.erased (user_id) values (p_user) on conflict do nothing;
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
