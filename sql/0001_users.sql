-- users: accounts, devices, sessions, blocks, and the ordered feed of what changed about them.
--
-- Every verb that decides and writes is one function: it locks the account's row, decides, writes, and leaves its
-- changes in the feed, all in one transaction. The head of the feed is one row that is locked last and until the
-- commit: so offsets are gapless and in commit order, and two functions never wait for each other in a circle.
-- Functions answer `problem`: '' when done, otherwise a code of shared/net/problem.h. Kinds of changes are those of
-- shared/proto/user_protocol.h.

create schema users;
grant usage on schema users to parley_user;

-- An erased account keeps its row, without a username and without anything personal: its id is never given again.
create table users.account (
    user_id       bigint primary key,
    username      text collate "C" unique,  -- lower case, a-z0-9._-; "C": the index serves searches by prefix
    display_name  text not null,
    avatar        text,
    password_hash text,                     -- Argon2id with its parameters, as libsodium writes it
    created_at_ms bigint not null,
    erased_at_ms  bigint,
    check ((erased_at_ms is null) = (username is not null)),
    check ((erased_at_ms is null) = (password_hash is not null))
);

create table users.device (
    device_id       bigint primary key,
    user_id         bigint not null references users.account,
    name            text not null,
    created_change  bigint not null,        -- offset of its USER_CHANGE_DEVICE_ADDED
    last_used_at_ms bigint not null
);
create index device_user on users.device (user_id);

-- A device has at most one session. Tokens are kept as their BLAKE2b-256 only.
create table users.session (
    session_id      bigint primary key,
    user_id         bigint not null references users.account,
    device_id       bigint not null unique references users.device,
    token_hash      bytea not null unique check (octet_length(token_hash) = 32),
    created_at_ms   bigint not null,
    expires_at_ms   bigint not null,
    last_used_at_ms bigint
);
create index session_order on users.session (user_id, created_at_ms, session_id);
create index session_expiry on users.session (expires_at_ms);

create table users.block (
    user_id  bigint not null references users.account,
    other_id bigint not null references users.account,
    at_ms    bigint not null,
    primary key (user_id, other_id),
    check (user_id <> other_id)
);
create index block_order on users.block (user_id, at_ms, other_id);
create index block_other on users.block (other_id);

create table users.change (
    feed_offset bigint primary key,
    kind        smallint not null check (kind between 1 and 6),
    user_id     bigint not null,
    device_id   bigint not null,
    session_id  bigint not null,
    other_id    bigint not null
);

create table users.change_head (
    singleton boolean primary key default true check (singleton),
    head      bigint not null
);
insert into users.change_head (head) values (0);

grant select, insert, update, delete on all tables in schema users to parley_user;

-- Appends one change and gives its offset. Call it after every other lock was taken.
create function users.leave_change(p_kind integer, p_user bigint, p_device bigint, p_session bigint, p_other bigint)
returns bigint language plpgsql set search_path = pg_catalog as $$
declare
    v_head bigint;
begin
    update users.change_head set head = head + 1 returning head into v_head;
    insert into users.change (feed_offset, kind, user_id, device_id, session_id, other_id)
    values (v_head, p_kind, p_user, p_device, p_session, p_other);
    return v_head;
end $$;

create function users.head() returns bigint language sql stable set search_path = pg_catalog as $$
    select head from users.change_head
$$;

-- True when the account exists and is not erased; its row stays locked until the commit. NO KEY, so that two people
-- who block each other at once (each block refers to the other's row) do not wait for each other.
create function users.lock_account(p_user bigint) returns boolean
language plpgsql set search_path = pg_catalog as $$
begin
    perform 1 from users.account where user_id = p_user and erased_at_ms is null for no key update;
    return found;
end $$;

-- Ends the sessions of a user but one (0: all of them), each with its change. The account is locked.
create function users.end_sessions(p_user bigint, p_keep bigint) returns void
language plpgsql set search_path = pg_catalog as $$
declare
    v_session record;
begin
    for v_session in
        delete from users.session where user_id = p_user and session_id <> p_keep returning device_id, session_id
    loop
        perform users.leave_change(3, p_user, v_session.device_id, v_session.session_id, 0);
    end loop;
end $$;

create function users.register(p_user bigint, p_username text, p_display_name text, p_password_hash text,
                               p_now_ms bigint) returns text
language plpgsql set search_path = pg_catalog as $$
begin
    insert into users.account (user_id, username, display_name, password_hash, created_at_ms)
    values (p_user, p_username, p_display_name, p_password_hash, p_now_ms)
    on conflict (username) do nothing;
    return case when found then '' else 'username_taken' end;
end $$;

-- Makes room for one more device: the longest-unused one without a live session goes. The account is locked.
create function users.make_room(p_user bigint, p_now_ms bigint, p_max_devices bigint) returns text
language plpgsql set search_path = pg_catalog as $$
declare
    v_device bigint;
    v_session bigint;
begin
    if (select count(*) from users.device where user_id = p_user) < p_max_devices then
        return '';
    end if;
    select d.device_id into v_device from users.device d
    where d.user_id = p_user and not exists (
        select 1 from users.session s where s.device_id = d.device_id and s.expires_at_ms > p_now_ms)
    order by d.last_used_at_ms, d.device_id limit 1;
    if not found then
        return 'conflict';
    end if;
    delete from users.session where device_id = v_device returning session_id into v_session;
    delete from users.device where device_id = v_device;
    if v_session is not null then
        perform users.leave_change(3, p_user, v_device, v_session, 0);
    end if;
    perform users.leave_change(2, p_user, v_device, 0, 0);
    return '';
end $$;

-- Opens a session on a device: p_device when it is not 0 (its former session ends), otherwise on a new one with the id
-- p_new_device. p_password_hash is the hash that the password was held against: if it is no longer the account's, the
-- password was changed in between and nobody gets in with the old one.
create function users.login(p_user bigint, p_password_hash text, p_device bigint, p_new_device bigint, p_name text,
                            p_session bigint, p_token_hash bytea, p_now_ms bigint, p_expires_ms bigint,
                            p_max_devices bigint,
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
        insert into users.device (device_id, user_id, name, created_change, last_used_at_ms)
        values (out_device, p_user, out_name, users.leave_change(1, p_user, out_device, 0, 0), p_now_ms);
    end if;
    insert into users.session (session_id, user_id, device_id, token_hash, created_at_ms, expires_at_ms)
    values (p_session, p_user, out_device, p_token_hash, p_now_ms, p_expires_ms);
    problem := '';
    out_head := users.head();
end $$;

create function users.end_session(p_user bigint, p_session bigint, out problem text, out out_head bigint)
language plpgsql set search_path = pg_catalog as $$
declare
    v_device bigint;
begin
    delete from users.session where session_id = p_session and user_id = p_user returning device_id into v_device;
    if not found then
        problem := 'not_found';
        out_head := 0;
        return;
    end if;
    problem := '';
    out_head := users.leave_change(3, p_user, v_device, p_session, 0);
end $$;

-- Sessions that have expired, some at a time. Their tokens are refused from the moment of expiry on, also without it.
create function users.sweep_sessions(p_now_ms bigint, p_limit bigint, out swept bigint, out out_head bigint)
language plpgsql set search_path = pg_catalog as $$
declare
    v_session record;
begin
    swept := 0;
    for v_session in
        delete from users.session where session_id in (
            select session_id from users.session where expires_at_ms <= p_now_ms
            order by expires_at_ms limit p_limit for update skip locked)
        returning user_id, device_id, session_id
    loop
        perform users.leave_change(3, v_session.user_id, v_session.device_id, v_session.session_id, 0);
        swept := swept + 1;
    end loop;
    out_head := users.head();
end $$;

-- Replaces the password, if p_old_hash is still the account's, and ends all sessions but p_keep.
create function users.change_password(p_user bigint, p_old_hash text, p_new_hash text, p_keep bigint,
                                      out problem text, out out_head bigint)
language plpgsql set search_path = pg_catalog as $$
begin
    out_head := 0;
    update users.account set password_hash = p_new_hash where user_id = p_user and password_hash = p_old_hash;
    if not found then
        problem := 'forbidden';
        return;
    end if;
    perform users.end_sessions(p_user, p_keep);
    problem := '';
    out_head := users.head();
end $$;

create function users.erase(p_user bigint, p_now_ms bigint, out problem text, out out_head bigint)
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
    update users.account set username = null, display_name = '', avatar = null, password_hash = null,
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

-- Repeating is harmless: nothing is written, and the head that it answers is not below the first time's change.
create function users.put_block(p_user bigint, p_other bigint, p_now_ms bigint, p_max_blocks bigint,
                                out problem text, out out_head bigint)
language plpgsql set search_path = pg_catalog as $$
begin
    out_head := 0;
    if not users.lock_account(p_user) then
        problem := 'unauthorized';
    elsif not exists (select 1 from users.account where user_id = p_other and erased_at_ms is null) then
        problem := 'not_found';
    elsif exists (select 1 from users.block where user_id = p_user and other_id = p_other) then
        problem := '';
        out_head := users.head();
    elsif (select count(*) from users.block where user_id = p_user) >= p_max_blocks then
        problem := 'conflict';
    else
        insert into users.block (user_id, other_id, at_ms) values (p_user, p_other, p_now_ms);
        problem := '';
        out_head := users.leave_change(4, p_user, 0, 0, p_other);
    end if;
end $$;

create function users.delete_block(p_user bigint, p_other bigint, out problem text, out out_head bigint)
language plpgsql set search_path = pg_catalog as $$
begin
    out_head := 0;
    if not users.lock_account(p_user) then
        problem := 'unauthorized';
        return;
    end if;
    problem := '';
    delete from users.block where user_id = p_user and other_id = p_other;
    if found then
        out_head := users.leave_change(5, p_user, 0, 0, p_other);
    elsif exists (select 1 from users.account where user_id = p_other and erased_at_ms is null) then
        out_head := users.head();
    else
        problem := 'not_found';
    end if;
end $$;
