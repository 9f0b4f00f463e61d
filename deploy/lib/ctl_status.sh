# shellcheck shell=bash
# What runs and what it lacks. Sourced by parleyctl.

# The daemon's own words: a JSON object, or nothing.
readiness_of() { # name
    [[ -S $RUN_DIR/$1.ops ]] || return 0
    curl --silent --max-time 2 --unix-socket "$RUN_DIR/$1.ops" http://localhost/readyz || true
}

# Where systemd runs the daemons there is no supervisor to ask: then the sockets tell. Ends with 0 when all are ready, 3 when not.
ctl_status() {
    local name answer all=0 comma=
    take_options -- "$@"
    need_words 0 'no argument'
    if [[ -z $JSON && -e $STATE_DIR/lock ]]; then
        exec "$DEPLOY_DIR/supervisor" status
    fi
    [[ -z $JSON ]] || printf '{"services":['
    for name in "${SERVICE_NAMES[@]}"; do
        answer=$(readiness_of "$name")
        [[ $answer == '{"ready":true'* ]] || all=3
        if [[ -n $JSON ]]; then
            printf '%s{"name":"%s","up":%s,"pid":%s,"readiness":%s}' "$comma" "$name" \
                "$([[ -n $answer ]] && echo true || echo false)" "$(pid_of "$name")" "${answer:-null}"
            comma=,
        else
            printf '%-10s %s\n' "$name" "${answer:-away}"
        fi
    done
    [[ -z $JSON ]] || printf '],"ready":%s}\n' "$([[ $all -eq 0 ]] && echo true || echo false)"
    return $all
}

pid_of() { # name
    local pid=
    { read -r pid <"$RUN_DIR/$1.pid"; } 2>/dev/null || true
    if [[ $pid =~ ^[0-9]+$ && /proc/$pid/cwd -ef $STATE_DIR/work/$1 ]]; then printf '%s' "$pid"; else printf null; fi
}
