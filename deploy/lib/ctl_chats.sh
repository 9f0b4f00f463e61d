# shellcheck shell=bash
# Chats and who is in them. Sourced by parleyctl. No message, and of an event its type and time only.

readonly KIND_NAME="(array['direct','group','channel'])[c.kind]"
readonly ROLE_NAME="(array['reader','member','admin','owner'])[m.role]"
readonly HEAD_OF_CHAT="(select max(e.seq) from chat.chat l join chat.event e using (partition, chat_id) where l.chat_id = c.chat_id)"

ctl_chats_list() {
    local of=
    take_options limit= user= -- "$@"
    need_words 0 'options only'
    need_limit
    if [[ -n ${OPTION[user]-} ]]; then
        find_user "${OPTION[user]}"
        of="and exists (select from metadata.member m where m.chat_id = c.chat_id and m.user_id = :'user'::bigint and m.active)"
    fi
    print_rows "select c.chat_id::text as id, $KIND_NAME as kind, c.title, c.member_count as members,
            $HEAD_OF_CHAT as last_seq, $(time_of c.created_at_ms) as created
        from metadata.chat c where not c.deleted $of order by c.created_at_ms desc, c.chat_id limit :'limit'::bigint" \
        --set=limit="$LIMIT" --set=user="${USER_ID-0}"
}

# The chat as metadata has it beside the chat as its log has it.
ctl_chats_show() {
    local chat head members
    take_options -- "$@"
    need_words 1 'the id of a chat'
    need_id 'id of a chat' "${WORDS[0]}"
    head="select c.chat_id::text as id, $KIND_NAME as kind, c.title, c.description, (array['joined','shared'])[c.history] as history,
            $(time_of c.created_at_ms) as created, c.deleted, c.member_count as members, c.version,
            l.version as version_in_log, l.partition, $HEAD_OF_CHAT as last_seq,
            (select count(*) from metadata.outbox o where o.chat_id = c.chat_id) as changes_waiting
        from metadata.chat c left join chat.chat l on l.chat_id = c.chat_id where c.chat_id = :'chat'::bigint"
    members="select m.user_id::text as user, a.username, $ROLE_NAME as role, r.delivered, r.read
        from metadata.member m left join users.account a using (user_id)
        left join chat.chat l on l.chat_id = m.chat_id
        left join chat.receipt r on r.partition = l.partition and r.chat_id = m.chat_id and r.user_id = m.user_id
        where m.chat_id = :'chat'::bigint and m.active order by m.role desc, m.user_id"
    if [[ -n $JSON ]]; then
        chat=$(ask_sql --set=chat="${WORDS[0]}" <<<"select to_jsonb(h) || jsonb_build_object('members', coalesce(
            (select jsonb_agg(to_jsonb(p)) from ($members) p), '[]')) from ($head) h;") || exit $?
    else
        chat=$(print_row "$head" --set=chat="${WORDS[0]}") || exit $?
    fi
    [[ -n $chat ]] || refuse "there is no chat ${WORDS[0]}; 'parleyctl chats list' shows what there is"
    printf '%s\n' "$chat"
    if [[ -z $JSON ]]; then
        printf '\n'
        print_rows "$members" --set=chat="${WORDS[0]}"
    fi
}
