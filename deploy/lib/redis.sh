# shellcheck shell=bash
# The private Redis, and the check of an existing one. Sourced.

prepare_redis() {
    # It holds nothing that cannot be rebuilt: rather than not to start over a damaged file, start without it.
    if [[ ${FAILURES[redis]} -ge 3 && -d $STATE_DIR/work/redis/appendonlydir ]]; then
        rm -rf -- "$STATE_DIR/work/redis/appendonlydir.damaged"
        mv -- "$STATE_DIR/work/redis/appendonlydir" "$STATE_DIR/work/redis/appendonlydir.damaged"
        say "redis does not start on its file; it was put aside as appendonlydir.damaged, devices will resync"
    fi
    cat >"$CONF_DIR/redis.conf" <<TEXT
# Written by the supervisor at each start; changes here do not last. Its folder is its working folder.
port 0
unixsocket $RUN_DIR/redis.sock
unixsocketperm 700
daemonize no
appendonly yes
appendfsync everysec
save ""
maxmemory 1gb
maxmemory-policy noeviction
databases 1
timeout 0
logfile ""
TEXT
    chmod 640 -- "$CONF_DIR/redis.conf"
    if [[ $EUID -eq 0 ]]; then chgrp -- "$SERVICE_USER" "$CONF_DIR/redis.conf"; fi
}

redis_address() {
    if [[ -n $PRIVATE_REDIS ]]; then printf '%s' "$RUN_DIR/redis.sock"; else printf '%s' "$PARLEY_REDIS"; fi
}

check_external_redis() {
    local answer
    local -a where
    [[ -z $PRIVATE_REDIS ]] || return 0
    case $PARLEY_REDIS in
    /*) where=(-s "$PARLEY_REDIS") ;;
    *:*) where=(-h "${PARLEY_REDIS%:*}" -p "${PARLEY_REDIS##*:}") ;;
    *) DIE_STATUS=64 die "PARLEY_REDIS is '$PARLEY_REDIS'; give the path of a Unix socket or host:port" ;;
    esac
    answer=$(timeout 5 "${AS_SERVICE[@]}" redis-cli "${where[@]}" ping 2>&1) || true
    [[ $answer == PONG ]] ||
        die "Redis at $PARLEY_REDIS does not answer ($(head -n 1 <<<"$answer")); start it, correct PARLEY_REDIS, or unset it for a private one"
}
