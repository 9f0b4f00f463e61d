# shellcheck shell=bash
# Tokens: one for trying things, and whose one is. Sourced by parleyctl.
#
# Only a token's hash is kept (BLAKE2b-256 of its 43 characters), here as everywhere. A token never stands in an argument,
# which everybody on the machine can read.

readonly TOKEN_DEVICE=parleyctl
readonly MOST_DEVICES=128
readonly MOST_MINUTES=1440

hash_of_token() { # token
    printf '%s' "$1" | b2sum --length=256 | cut -c1-64
}

random_id() {
    local id
    id=$(od -An -N8 -td8 /dev/urandom)
    printf '%d' $((id & 0x7fffffffffffffff | 1))
}

# The account's own password hash is held against itself inside the database: it never comes here.
ctl_token_make() {
    local minutes token hash answer problem
    take_options force minutes= -- "$@"
    need_words 1 'a user: an id or a username'
    minutes=${OPTION[minutes]-60}
    is_positive "$minutes" "$MOST_MINUTES" || misuse "--minutes is '$minutes'; it must be a number from 1 to $MOST_MINUTES"
    [[ $ENVIRONMENT != production || -n ${OPTION[force]-} ]] ||
        refuse "PARLEY_ENVIRONMENT is production: whoever has such a token is that user. Give --force if that is what you want"
    find_user "${WORDS[0]}"
    token=$(head -c 32 /dev/urandom | basenc --base64url | tr -d '=\n')
    hash=$(hash_of_token "$token")
    answer=$(ask_sql --set=user="$USER_ID" --set=name="$TOKEN_DEVICE" --set=new_device="$(random_id)" \
        --set=session="$(random_id)" --set=minutes="$minutes" --set=most="$MOST_DEVICES" < <(
        printf "\\\\set hash '%s'\n" "$hash"
        cat <<SQL
select l.problem, l.out_device, $(time_of 'a.expires_ms') from (
    select *, $NOW_MS as now_ms, $NOW_MS + :'minutes'::bigint * 60000 as expires_ms,
        coalesce((select max(device_id) from users.device d where d.user_id = a.user_id and d.name = :'name'), 0) as device,
        (select count(*) from users.device d where d.user_id = a.user_id) as devices
    from users.account a where a.user_id = :'user'::bigint and a.erased_at_ms is null) a
cross join lateral users.login(a.user_id, a.password_hash, a.device, :'new_device'::bigint, :'name', :'session'::bigint,
    decode(:'hash', 'hex'), a.now_ms, a.expires_ms, 9223372036854775807) l
where a.device <> 0 or a.devices < :'most'::bigint;
SQL
    )) || exit $?
    [[ -n $answer ]] || refuse "$USER_NAME has $MOST_DEVICES devices already; end some of them first"
    problem=${answer%%|*}
    [[ -z $problem ]] || refuse "no token could be made for $USER_NAME: $problem"
    answer=${answer#*|}
    if [[ -n $JSON ]]; then
        printf '{"token":"%s","user":"%s","device":"%s","expires_at":"%s"}\n' "$token" "$USER_ID" "${answer%|*}" "${answer#*|}"
    else
        printf '%s\n' "$token"
        printf 'acts as %s until %s; end it with: deploy/parleyctl users end-sessions %s\n' "$USER_NAME" "${answer#*|}" "$USER_NAME" >&2
    fi
}

ctl_token_who() {
    local token= found
    take_options -- "$@"
    need_words 0 'no argument: the token comes on the standard input'
    if [[ -t 0 ]]; then printf 'Token: ' >&2; fi
    read -rs token || true
    if [[ -t 0 ]]; then printf '\n' >&2; fi
    [[ $token =~ ^[A-Za-z0-9_-]{43}$ ]] || refuse 'that is no token: it has 43 letters, digits, - and _'
    found=$(print_row "select a.user_id::text as user, a.username, s.session_id::text as session, d.device_id::text as device,
            d.name, $(time_of s.created_at_ms) as since, $(time_of s.expires_at_ms) as expires
        from users.session s join users.account a using (user_id) join users.device d using (device_id)
        where s.token_hash = decode(:'hash', 'hex') and s.expires_at_ms > $NOW_MS" --set=hash="$(hash_of_token "$token")") || exit $?
    [[ -n $found ]] || refuse 'nobody is behind this token: it has ended, or it never was one'
    printf '%s\n' "$found"
}
