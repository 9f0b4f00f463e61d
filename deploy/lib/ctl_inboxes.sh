# shellcheck shell=bash
# What waits in Redis for devices that are away. Sourced by parleyctl. References only: no message is in Redis.

readonly SHARD=${PARLEY_DELIVERY_SHARD:-0}

# A page of the records (p:{DEVICE}:r): the next cursor, then device, events, must resync, was told so and has not heard.
readonly LIST_INBOXES='
local page = redis.call("SCAN", ARGV[1], "MATCH", "p:{*}:r", "COUNT", 5000)
local lines = {page[1]}
for _, key in ipairs(page[2]) do
    local record = redis.call("HMGET", key, "n", "x", "u")
    lines[#lines + 1] = table.concat({string.match(key, "{(%d+)}") or "0", record[1] or "0", record[2] and 1 or 0, record[3] and 1 or 0}, " ")
end
return lines'

# The record of one device and its first references, each as 32 hexadecimal digits: Lua has no whole numbers of 63 bits.
readonly SHOW_INBOX='
local record = redis.call("HMGET", KEYS[2], "e", "n", "x", "u")
if not record[1] then return {} end
local lines = {table.concat({record[2] or "0", redis.call("LLEN", KEYS[1]), record[3] and 1 or 0, record[4] and 1 or 0,
    record[1] == redis.call("GET", KEYS[3]) and 1 or 0}, " ")}
for _, ref in ipairs(redis.call("LRANGE", KEYS[1], 0, ARGV[1] - 1)) do
    lines[#lines + 1] = (string.gsub(ref, ".", function(c) return string.format("%02x", string.byte(c)) end))
end
return lines'

# As delivery marks an inbox that has overflowed (delivery_inbox_scripts.c): empty, and its device must resync.
readonly DROP_INBOX='
local epoch = redis.call("GET", KEYS[3])
if not epoch or redis.call("EXISTS", KEYS[2]) == 0 then return -1 end
local events = redis.call("LLEN", KEYS[1])
redis.call("UNLINK", KEYS[1], KEYS[2])
redis.call("HSET", KEYS[2], "e", epoch, "n", 0, "x", 1)
return events'

ask_inbox() { # script, device, arguments…
    ask_redis eval "$1" 3 "p:{$2}:l" "p:{$2}:r" "p:epoch:$SHARD" "${@:3}"
}

# Every inbox with something in it or with a resync due: device, events, must resync, not heard; the longest first. SCAN may
# tell of a key twice.
longest_inboxes() { # limit
    local cursor=0 page
    while :; do
        page=$(ask_redis eval "$LIST_INBOXES" 0 "$cursor") || exit $?
        cursor=${page%%$'\n'*}
        if [[ $page == *$'\n'* ]]; then printf '%s\n' "${page#*$'\n'}"; fi
        [[ $cursor != 0 ]] || break
    done | awk '($2 > 0 || $3 > 0 || $4 > 0) && !seen[$1]++' | sort -k2,2nr -k1,1n | awk -v most="$1" 'NR <= most'
}

ctl_inboxes_list() {
    local facts
    take_options limit= -- "$@"
    need_words 0 'options only'
    need_limit
    facts=$(longest_inboxes "$LIMIT") || exit $?
    facts=$(awk '{ printf "%s{\"device\":\"%s\",\"events\":%d,\"resync\":%d,\"unheard\":%d}", (NR > 1 ? "," : ""), $1, $2, $3, $4 }' <<<"$facts")
    if [[ $facts == '{"device":""'* ]]; then facts=; fi
    facts=$(set_facts "[$facts]") || exit $?
    print_inboxes "$facts"
}

print_inboxes() { # \set facts …
    local select="select f.device, f.events, f.resync = 1 or f.unheard = 1 as resync, a.username, d.name
        from json_to_recordset(:'facts') f (device text, events bigint, resync integer, unheard integer)
        left join users.device d on d.device_id = f.device::bigint left join users.account a on a.user_id = d.user_id
        order by f.events desc, f.device::bigint"
    if [[ -n $JSON ]]; then
        ask_sql <<<"$1
select coalesce(json_agg(row_to_json(r)), '[]') from ($select) r;"
    else
        ask_sql <<<"$1
$(printf '%s\n' '\pset tuples_only off' '\pset format aligned' '\pset border 0' '\pset footer off')
$select;"
    fi
}

ctl_inboxes_show() {
    local found events length must_resync unheard is_current line refs=
    take_options limit= -- "$@"
    need_words 1 'the id of a device'
    need_id 'id of a device' "${WORDS[0]}"
    need_limit
    found=$(ask_inbox "$SHOW_INBOX" "${WORDS[0]}" "$LIMIT") || exit $?
    [[ -n $found ]] || refuse "the device ${WORDS[0]} has no inbox; 'parleyctl inboxes list' shows those with something in them"
    read -r events length must_resync unheard is_current <<<"${found%%$'\n'*}"
    if ((must_resync + unheard > 0 || events != length || is_current == 0)); then must_resync=true; else must_resync=false; fi
    while read -r line; do
        [[ $line =~ ^[0-9a-f]{32}$ ]] || continue
        if [[ -n $JSON ]]; then
            refs+="${refs:+,}$(printf '{"chat":"%d","seq":%d}' "0x${line:0:16}" "0x${line:16}")"
        else
            refs+=$(printf '%s%20d %12d' $'\n' "0x${line:0:16}" "0x${line:16}")
        fi
    done < <(tail -n +2 <<<"$found")
    if [[ -n $JSON ]]; then
        printf '{"device":"%s","events":%d,"resync":%s,"first":[%s]}\n' "${WORDS[0]}" "$length" "$must_resync" "$refs"
    else
        printf 'device %s, events %d, must resync: %s\n\n%20s %12s%s\n' "${WORDS[0]}" "$length" "$must_resync" chat seq "$refs"
    fi
}

ctl_inboxes_drop() {
    local dropped
    take_options yes -- "$@"
    need_words 1 'the id of a device'
    need_id 'id of a device' "${WORDS[0]}"
    confirm "${WORDS[0]}" "This empties the inbox of the device ${WORDS[0]}, which then reads everything it lacks from the log"
    dropped=$(ask_inbox "$DROP_INBOX" "${WORDS[0]}") || exit $?
    [[ $dropped != -1 ]] || refuse "the device ${WORDS[0]} has no inbox; 'parleyctl inboxes list' shows those with something in them"
    if [[ -n $JSON ]]; then
        printf '{"device":"%s","dropped":%d}\n' "${WORDS[0]}" "$dropped"
    else
        printf 'dropped %d events of the device %s; it is told to resync when it connects, or with the next event for it\n' "$dropped" "${WORDS[0]}"
    fi
}
