# shellcheck shell=bash
# Accounts, their devices and sessions. Sourced by parleyctl.
#
# What is changed is changed by the functions that the user daemon itself calls: they leave it in the feed of changes, from
# which the other daemons close connections and take the user out of chats.

ctl_users_list() {
    take_options limit= -- "$@"
    need_limit
    ((${#WORDS[@]} <= 1)) || misuse 'it takes the beginning of a username, or nothing'
    print_rows "select a.user_id::text as id, a.username, a.display_name as name, $(time_of a.created_at_ms) as created,
            (select count(*) from users.device d where d.user_id = a.user_id) as devices,
            (select count(*) from users.session s where s.user_id = a.user_id and s.expires_at_ms > $NOW_MS) as sessions
        from users.account a where a.erased_at_ms is null and starts_with(a.username, lower(:'prefix'))
        order by a.username limit :'limit'::bigint" --set=prefix="${WORDS[0]-}" --set=limit="$LIMIT"
}

ctl_users_show() {
    take_options -- "$@"
    need_words 1 'a user: an id or a username'
    find_user "${WORDS[0]}"
    print_row "select a.user_id::text as id, a.username, a.display_name as name, $(time_of a.created_at_ms) as created,
            (select count(*) from users.device d where d.user_id = a.user_id) as devices,
            (select count(*) from users.session s where s.user_id = a.user_id and s.expires_at_ms > $NOW_MS) as sessions,
            (select count(*) from metadata.member m where m.user_id = a.user_id and m.active) as chats,
            (select count(*) from users.block b where b.user_id = a.user_id) as blocks,
            (select count(*) from users.block b where b.other_id = a.user_id) as blocked_by
        from users.account a where a.user_id = :'user'::bigint" --set=user="$USER_ID"
}

ctl_users_sessions() {
    take_options -- "$@"
    need_words 1 'a user: an id or a username'
    find_user "${WORDS[0]}"
    print_rows "select d.device_id::text as device, d.name, s.session_id::text as session,
            $(time_of s.created_at_ms) as since, $(time_of s.expires_at_ms) as expires,
            $(time_of 'coalesce(s.last_used_at_ms, d.last_used_at_ms)') as last_used
        from users.device d left join users.session s on s.device_id = d.device_id and s.expires_at_ms > $NOW_MS
        where d.user_id = :'user'::bigint order by d.created_change" --set=user="$USER_ID"
}

ctl_users_end_sessions() {
    local ended
    take_options yes -- "$@"
    need_words 1 'a user: an id or a username'
    find_user "${WORDS[0]}"
    confirm "$USER_NAME" "This logs $USER_NAME out on every device"
    ended=$(ask_sql --set=user="$USER_ID" <<<"begin;
        select users.lock_account(:'user'::bigint) \\g /dev/null
        select count(*) from users.session where user_id = :'user'::bigint;
        select users.end_sessions(:'user'::bigint, 0) \\g /dev/null
        commit;") || exit $?
    if [[ -n $JSON ]]; then
        printf '{"user":"%s","ended":%d}\n' "$USER_ID" "$ended"
    else
        printf '%d sessions of %s were ended\n' "$ended" "$USER_NAME"
    fi
}

ctl_users_erase() {
    local problem
    take_options yes -- "$@"
    need_words 1 'a user: an id or a username'
    find_user "${WORDS[0]}"
    confirm "$USER_NAME" "This erases the account $USER_NAME ($USER_ID) for ever: profile, password, devices, memberships; its messages stay in the chats"
    problem=$(ask_sql --set=user="$USER_ID" <<<"select problem from users.erase(:'user'::bigint, $NOW_MS);") || exit $?
    [[ -z $problem ]] || refuse "there is no user '${WORDS[0]}' any more"
    if [[ -n $JSON ]]; then
        printf '{"user":"%s","erased":true}\n' "$USER_ID"
    else
        printf 'erased %s (%s); it leaves its chats within seconds, as soon as the daemons run\n' "$USER_NAME" "$USER_ID"
    fi
}

ctl_erase() {
    ctl_users_erase "$@"
}
