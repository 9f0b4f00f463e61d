# shellcheck shell=bash
# Where a message is, with everything that is stored about it: more than its sender may see. Sourced by parleyctl.
#
# Postgres tells of the log, the watermarks and the cursor, Redis of the inboxes. What a delivery process has only in its memory
# is not asked: above the durable cursor an event counts as on its way, for a second or so.

readonly TRACE_PAGE=500 # devices asked for in one script

# For each device (two keys each, then the epoch's): device, lost, not heard, place (0: not there), length.
readonly TRACE_INBOXES='
local ref = (string.gsub(ARGV[1], "..", function(h) return string.char(tonumber(h, 16)) end))
local epoch, lines = redis.call("GET", KEYS[#KEYS]), {}
for i = 1, #KEYS - 1, 2 do
    local record = redis.call("HMGET", KEYS[i + 1], "e", "x", "n", "u")
    local length = redis.call("LLEN", KEYS[i])
    local state = "empty"
    if record[1] and (record[1] ~= epoch or record[2] or length ~= tonumber(record[3])) or (not record[1] and length > 0) then
        state = "lost"
    elseif record[1] then
        state = "there"
    end
    local place = redis.call("LPOS", KEYS[i], ref)
    lines[#lines + 1] = table.concat({string.match(KEYS[i], "{(%d+)}"), state, record[4] and 1 or 0, place and place + 1 or 0, length}, " ")
end
return lines'

# From the words of a device on: everybody who was a member at that event, the sender too.
readonly TRACED_MEMBERS="chat.event e join chat.member m on m.partition = e.partition and m.chat_id = e.chat_id
    and m.from_seq <= e.seq and (m.to_seq = 0 or m.to_seq >= e.seq)"
readonly TRACED_EVENT="e.chat_id = :'chat'::bigint and e.seq = :'seq'::bigint
    and e.partition = (select partition from chat.chat where chat_id = :'chat'::bigint)"

# Lines for each device of these, in pages.
trace_inboxes() { # reference in hex, devices…
    local ref=$1 device
    local -a keys
    shift
    while [[ $# -gt 0 ]]; do
        keys=()
        for device in "${@:1:TRACE_PAGE}"; do keys+=("p:{$device}:l" "p:{$device}:r"); done
        ask_redis eval "$TRACE_INBOXES" $((${#keys[@]} + 1)) "${keys[@]}" "p:epoch:$SHARD" "$ref" || exit $?
        shift $(($# < TRACE_PAGE ? $# : TRACE_PAGE))
    done
}

ctl_trace() {
    local chat seq devices facts
    local -a ids=()
    take_options -- "$@"
    need_words 2 'a chat and a seq'
    chat=${WORDS[0]} seq=${WORDS[1]}
    need_id 'id of a chat' "$chat"
    need_id seq "$seq"
    devices=$(ask_sql --set=chat="$chat" --set=seq="$seq" <<<"select 'event' from chat.event e where $TRACED_EVENT;
        select d.device_id from $TRACED_MEMBERS join users.device d using (user_id) where $TRACED_EVENT;") || exit $?
    [[ $devices == event* ]] || refuse "there is no event $seq in the chat $chat; 'parleyctl chats show $chat' tells how far it goes"
    mapfile -t ids < <(tail -n +2 <<<"$devices")
    facts=$(trace_inboxes "$(printf '%016x%016x' "$chat" "$seq")" ${ids[@]+"${ids[@]}"}) || exit $?
    facts=$(awk 'NF == 5 { printf "%s{\"device\":\"%s\",\"inbox\":\"%s\",\"unheard\":%d,\"place\":%d,\"length\":%d}",
        (n++ ? "," : ""), $1, $2, $3, $4, $5 }' <<<"$facts")
    facts=$(set_facts "[$facts]") || exit $?
    print_trace "$facts" --set=chat="$chat" --set=seq="$seq" --set=shard="$SHARD"
}

print_trace() { # \set facts …, psql's arguments…
    local facts=$1 event members devices table
    shift
    event="select e.chat_id::text as chat, e.seq,
            (array['message','member_added','member_removed','role_changed','chat_updated','edit','delete','reaction'])[e.type] as type,
            e.sender_id::text as sender, a.username, $(time_of e.at_ms) as stored, e.partition, e.feed_offset as offset,
            p.head_offset as head, c.feed_offset as durable_cursor, e.feed_offset <= coalesce(c.feed_offset, 0) as settled,
            exists (select from delivery.poison o where o.partition = e.partition and o.feed_offset = e.feed_offset) as passed_over
        from chat.event e left join users.account a on a.user_id = e.sender_id join chat.partition p on p.partition = e.partition
        left join delivery.cursor c on c.shard = :'shard'::integer and c.partition = e.partition where $TRACED_EVENT"
    members="select m.user_id::text as user, a.username, m.from_seq, nullif(m.to_seq, 0) as to_seq,
            coalesce(r.delivered, 0) as delivered, $(time_of r.delivered_at_ms) as delivered_at,
            coalesce(r.read, 0) as read, coalesce(r.read_shown, 0) as read_shown, $(time_of r.read_at_ms) as read_at,
            coalesce(r.delivered, 0) >= e.seq as is_delivered, coalesce(r.read, 0) >= e.seq as is_read
        from $TRACED_MEMBERS left join users.account a on a.user_id = m.user_id
        left join chat.receipt r on r.partition = m.partition and r.chat_id = m.chat_id and r.user_id = m.user_id
        where $TRACED_EVENT order by m.user_id"
    devices="select d.device_id::text as device, a.username, d.name, $(time_of d.created_at_ms) as since,
            case when d.created_at_ms > e.at_ms then 'newer' when f.place > 0 and f.unheard = 0 and f.inbox = 'there' then 'parked'
                 when f.inbox = 'lost' or f.unheard = 1 then 'resync'
                 when e.feed_offset > coalesce(c.feed_offset, 0) then 'on its way' else 'acknowledged' end as state,
            nullif(f.place, 0) as position, f.length as inbox
        from $TRACED_MEMBERS join users.device d on d.user_id = m.user_id left join users.account a on a.user_id = d.user_id
        left join json_to_recordset(:'facts') f (device text, inbox text, unheard integer, place bigint, length bigint)
            on f.device = d.device_id::text
        left join delivery.cursor c on c.shard = :'shard'::integer and c.partition = e.partition
        where $TRACED_EVENT order by d.user_id, d.created_change"
    if [[ -n $JSON ]]; then
        ask_sql "$@" <<<"$facts
select to_jsonb(e) || jsonb_build_object('members', coalesce((select jsonb_agg(to_jsonb(m)) from ($members) m), '[]'),
    'devices', coalesce((select jsonb_agg(to_jsonb(d)) from ($devices) d), '[]')) from ($event) e;"
        return
    fi
    table=$(printf '%s\n' '\pset expanded off' '\pset tuples_only off' '\pset footer off')
    ask_sql "$@" <<<"$facts
$(printf '%s\n' '\pset format aligned' '\pset border 0' '\pset expanded on')
$event;
$table
\\echo
$members;
\\echo
$devices;"
}
