# shellcheck shell=bash
# What `make demo` puts into a Parley that has just become ready: two accounts and what they said. Sourced by the supervisor.
#
# All of it may be done again: accounts are logged in to, messages carry a client_id of their own. The password is no secret, so
# production mode refuses to start with this (production.sh).

readonly DEMONSTRATION_PASSWORD='demonstration only'

# The first member of that name in a JSON answer, nothing when there is none; the values that are asked for hold no quotes.
json_member() { # name, JSON
    if [[ $2 =~ \"$1\":\"([^\"]*)\" ]]; then printf '%s' "${BASH_REMATCH[1]}"; fi
}

# Prints the answer, or why there was none: whoever asked sees that it is not what they wanted, and says so.
demo_call() { # method path token [body]
    # The token comes through a file descriptor: command lines are everybody's to read.
    curl --silent --show-error --noproxy '*' --max-time 10 --request "$1" --header @<(printf 'Authorization: Bearer %s\n' "$3") \
        --header 'Content-Type: application/json' ${4:+--data "$4"} "$(public_url)$2" 2>&1 || true
}

demo_account() { # username display-name; sets DEMO_TOKEN[username] and DEMO_ID[username]
    local answer
    demo_call POST /v1/users none "{\"username\":\"$1\",\"password\":\"$DEMONSTRATION_PASSWORD\",\"display_name\":\"$2\"}" >/dev/null
    answer=$(demo_call POST /v1/sessions none "{\"username\":\"$1\",\"password\":\"$DEMONSTRATION_PASSWORD\",\"device\":{\"name\":\"seeds of the demonstration\"}}")
    DEMO_TOKEN[$1]=$(json_member token "$answer")
    DEMO_ID[$1]=$(json_member id "$answer")
    [[ -n ${DEMO_TOKEN[$1]} ]] || die "the demonstration's account $1 cannot log in: $answer"
}

demo_say() { # username chat client_id text [further members]
    local answer
    answer=$(demo_call POST "/v1/chats/$2/messages" "${DEMO_TOKEN[$1]}" "{\"client_id\":\"$3\",\"body\":{\"text\":\"$4\"}${5:+,$5}}")
    [[ $answer == *'"seq":'* ]] || die "the demonstration's message $3 was refused: $answer"
}

demo_talk() {
    local direct group
    direct=$(json_member id "$(demo_call POST /v1/chats "${DEMO_TOKEN[ada]}" "{\"kind\":\"direct\",\"members\":[\"${DEMO_ID[grace]}\"]}")")
    demo_say ada "$direct" demo-1 'Hello Grace! Did you see that the engine keeps every card, even when someone trips over the cable?'
    demo_say grace "$direct" demo-2 'I pulled the cable myself. Twice. Nothing was lost.'
    demo_say ada "$direct" demo-3 'Then write something in the right pane, and watch the left one.'
    # A group has no natural key: only the first run makes it.
    [[ $(demo_call GET '/v1/chats?limit=10' "${DEMO_TOKEN[ada]}") != *'"kind":"group"'* ]] || return 0
    group=$(json_member id "$(demo_call POST /v1/chats "${DEMO_TOKEN[grace]}" \
        "{\"kind\":\"group\",\"title\":\"Compilers\",\"members\":[\"${DEMO_ID[ada]}\"]}")")
    demo_say grace "$group" demo-1 'This is a group. Edit, delete, reply, react: everything is an event in its log.'
    demo_say ada "$group" demo-2 'Numbered from 1, without a gap.'
}

# A device that nobody is logged in on makes room for those of the next starts.
demo_log_out() {
    local name
    for name in "${!DEMO_TOKEN[@]}"; do demo_call DELETE /v1/sessions/current "${DEMO_TOKEN[$name]}" >/dev/null; done
}

# Which chats are shown side by side, for web/demo.js. Written by the service user: the folder is its own.
demo_publish() {
    "${AS_SERVICE[@]}" tee -- "$STATE_DIR/work/nginx/demonstration/demonstration.json" >/dev/null <<JSON
{"password": "$DEMONSTRATION_PASSWORD", "accounts": ["ada", "grace"]}
JSON
}

demonstrate() {
    local -A DEMO_TOKEN=() DEMO_ID=()
    demo_account ada 'Ada Lovelace'
    demo_account grace 'Grace Hopper'
    demo_talk
    demo_log_out
    demo_publish
    cat <<TEXT

    *** A DEMONSTRATION: everybody who reaches this address can log in as ada or grace, password '$DEMONSTRATION_PASSWORD'. ***

    two panes:     $(public_url)/demo.html
    next, try:     curl -s -X POST $(public_url)/v1/sessions -H 'Content-Type: application/json' \\
                        -d '{"username":"ada","password":"$DEMONSTRATION_PASSWORD"}'
    in your page:  $(public_url)/sdk/example.html, whose source is:

TEXT
    sed 's/^/        /' -- "$WEB_DIR/sdk/example.html" "$WEB_DIR/sdk/example.js"
    printf '\n'
}
