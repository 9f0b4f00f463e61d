# shellcheck shell=bash
# A live screen of everything that tells how Parley is. Sourced by parleyctl.
#
# A sample is lines of `name value`, the names with the daemon's in front: its metrics as they are, and what Postgres and Redis
# tell. ctl_top.awk makes a screen, or JSON, of two samples and the time between them. What does not answer is left out.

sample_daemon() { # name
    [[ -S $RUN_DIR/$1.ops ]] || return 0
    curl --silent --fail --max-time 2 --unix-socket "$RUN_DIR/$1.ops" http://localhost/metrics 2>/dev/null |
        sed -n "/^#/d; s/^/$1:/p" || true
}

sample_postgres() {
    run_psql parley 2>/dev/null <<<"set statement_timeout = '2s';
        select 'postgres:connections ' || count(*) from pg_stat_activity where datname = current_database();
        select 'postgres:longest_seconds ' || coalesce(round(extract(epoch from max(clock_timestamp() - query_start))::numeric, 3), 0)
            from pg_stat_activity where datname = current_database() and state = 'active' and pid <> pg_backend_pid();
        select 'postgres:transactions ' || xact_commit + xact_rollback, E'\\npostgres:blocks_hit ' || blks_hit,
            E'\\npostgres:blocks_read ' || blks_read, E'\\npostgres:bytes ' || pg_database_size(datid)
            from pg_stat_database where datname = current_database();
        select 'postgres:poison ' || (select count(*) from chat.poison) + (select count(*) from metadata.outbox where parked_at is not null)
            + (select count(*) from delivery.poison where released_at is null);" | tr -d '|' || true
}

sample_redis() {
    find_redis
    timeout 3 "${AS_SERVICE[@]}" redis-cli -e "${REDIS_WHERE[@]}" info 2>/dev/null | tr -d '\r' |
        sed -nE 's/^(used_memory|connected_clients|instantaneous_ops_per_sec|evicted_keys):/redis:\1 /p; s/^db0:keys=([0-9]+),.*/redis:keys \1/p' || true
}

sample() { # file
    local name up
    {
        read -r up _ </proc/uptime
        printf 'top:seconds %s\n' "$up"
        for name in "${SERVICE_NAMES[@]}"; do sample_daemon "$name"; done
        sample_postgres
        sample_redis
    } >"$1"
}

show_top() { # earlier sample, later sample
    awk -v json="$JSON" -v at="$(date -u +%FT%TZ)" -v environment="$ENVIRONMENT" -v services="${SERVICE_NAMES[*]}" \
        -f "$LIB/ctl_top.awk" "$1" "$2"
}

# Waits for so long, or until a key was pressed; false: it was q.
await_key() { # seconds
    local key=
    read -rsn 1 -t "$1" key || true
    [[ $key != [qQ] ]]
}

ctl_top() {
    local seconds
    take_options once interval= -- "$@"
    need_words 0 'options only'
    seconds=${OPTION[interval]-1}
    is_positive "$seconds" 3600 || misuse "--interval is '$seconds'; it must be a number of seconds from 1 to 3600"
    TOP_DIR=$(mktemp -d)
    trap 'rm -rf -- "$TOP_DIR"' EXIT
    sample "$TOP_DIR/before"
    if [[ -n $JSON || -n ${OPTION[once]-} || ! -t 0 || ! -t 1 ]]; then
        sleep "$seconds"
        sample "$TOP_DIR/now"
        show_top "$TOP_DIR/before" "$TOP_DIR/now"
        return
    fi
    run_screen "$seconds"
}

# On the terminal's other screen, which is left whatever ends this.
run_screen() { # seconds
    trap 'printf "\033[?25h\033[?1049l"; rm -rf -- "$TOP_DIR"' EXIT
    trap 'exit 0' INT TERM
    printf '\033[?1049h\033[?25l\033[H\033[J  the first figures come in %d s' "$1"
    while await_key "$1"; do
        sample "$TOP_DIR/now"
        show_top "$TOP_DIR/before" "$TOP_DIR/now" >"$TOP_DIR/screen"
        printf '\033[H'
        sed $'s/$/\033[K/' "$TOP_DIR/screen"
        printf '\033[K\n  q ends\033[J'
        mv -- "$TOP_DIR/now" "$TOP_DIR/before"
    done
}
