# shellcheck shell=bash
# What was set aside because a daemon could not take it (docs/operations.md). Sourced by parleyctl.

readonly POISON="select 'event:' || chat_id || ':' || seq as id, 'event' as kind, chat_id::text as chat, seq as number,
    reason, times, to_char(last_at, 'YYYY-MM-DD\"T\"HH24:MI:SSOF') as at from chat.poison
    union all select 'change:' || chat_id || ':' || version, 'change', chat_id::text, version, parked_reason, tries,
    to_char(parked_at, 'YYYY-MM-DD\"T\"HH24:MI:SSOF') from metadata.outbox where parked_at is not null
    union all select 'delivery:' || chat_id || ':' || seq, 'delivery', chat_id::text, seq, reason, deaths,
    to_char(at, 'YYYY-MM-DD\"T\"HH24:MI:SSOF') from delivery.poison where released_at is null"

ctl_poison_list() {
    take_options -- "$@"
    need_words 0 'no argument'
    if [[ -n $JSON ]]; then
        ask_sql <<<"select coalesce(json_agg(i order by id), '[]') from ($POISON) i;"
    else
        ask_sql --field-separator='  ' <<<"select id, at, times, reason from ($POISON) i order by id;"
    fi
}

# Sets KIND, CHAT and NUMBER.
read_poison_id() { # id
    [[ $1 =~ ^(event|change|delivery):([0-9]{1,19}):([0-9]{1,19})$ ]] ||
        misuse "'$1' is no id; 'parleyctl poison list' shows them, such as event:4611686018427387905:3"
    KIND=${BASH_REMATCH[1]}
    CHAT=${BASH_REMATCH[2]}
    NUMBER=${BASH_REMATCH[3]}
    need_id 'id of a chat' "$CHAT"
    need_id 'number of an item' "$NUMBER"
}

refuse_poison() { # id
    refuse "there is no $1; 'parleyctl poison list' shows what there is"
}

ctl_poison_show() {
    local found
    take_options -- "$@"
    need_words 1 'an id from parleyctl poison list'
    read_poison_id "${WORDS[0]}"
    found=$(ask_sql --set=id="${WORDS[0]}" <<<"select row_to_json(i) from ($POISON) i where id = :'id';") || exit $?
    [[ -n $found ]] || refuse_poison "${WORDS[0]}"
    printf '%s\n' "$found"
}

release_one() { # id
    local done_now sql
    read_poison_id "$1"
    if [[ $KIND == event ]]; then
        sql="delete from chat.poison where chat_id = :'chat'::bigint and seq = :'number'::bigint returning 1;"
    elif [[ $KIND == delivery ]]; then
        sql="update delivery.poison set released_at = now() where chat_id = :'chat'::bigint and seq = :'number'::bigint
            and released_at is null returning 1;"
    else
        sql="update metadata.outbox set parked_at = null, parked_reason = null
            where chat_id = :'chat'::bigint and version = :'number'::bigint and parked_at is not null returning 1;"
    fi
    done_now=$(ask_sql --set=chat="$CHAT" --set=number="$NUMBER" <<<"$sql") || exit $?
    [[ -n $done_now ]] || refuse_poison "$1"
    RELEASED+=("$1")
    if [[ -z $JSON ]]; then printf 'released %s\n' "$1"; fi
}

ctl_poison_release() {
    local ids id
    RELEASED=()
    take_options -- "$@"
    need_words 1 'an id from parleyctl poison list, or all'
    if [[ ${WORDS[0]} == all ]]; then
        ids=$(ask_sql <<<"select id from ($POISON) i order by id;") || exit $?
        for id in $ids; do release_one "$id"; done
    else
        release_one "${WORDS[0]}"
    fi
    if [[ -n $JSON ]]; then
        printf '{"released":[%s]}\n' "$(printf '%s\n' ${RELEASED[@]+"${RELEASED[@]}"} | sed '/^$/d; s/.*/"&"/' | paste -sd,)"
    fi
}
