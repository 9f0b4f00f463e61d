# shellcheck shell=bash
# How one sees that a process serves: the `ready` column of the table. Sourced by the supervisor and by its `status`.

is_ready() { # name
    local kind=${READY[$1]}
    case $kind in
    none) true ;;
    http) ready_http "$1" ;;
    port) ready_port "$BIND" "$PORT" ;;
    postgres) ready_postgres ;;
    redis) ready_redis ;;
    file:*) [[ -e ${kind#file:} || -e $RUN_DIR/${kind#file:} ]] ;;
    *) DIE_STATUS=64 die "$PROCESSES: '$kind' is no way to see that '$1' is ready" ;;
    esac
}

ready_http() { # name
    [[ -S $RUN_DIR/$1.ops ]] &&
        curl --silent --fail --max-time 2 --output /dev/null --unix-socket "$RUN_DIR/$1.ops" http://localhost/readyz
}

ready_port() { # address port
    local address=$1
    case $address in
    0.0.0.0) address=127.0.0.1 ;;
    ::) address=::1 ;;
    esac
    (: <>"/dev/tcp/$address/$2") 2>/dev/null
}

# The connection is refused with a message while the server recovers: so ask for an answer, not for the socket. pg_isready
# needs no password.
ready_postgres() {
    [[ -S $RUN_DIR/.s.PGSQL.5432 ]] && "$POSTGRES_BIN/pg_isready" -q -t 2 -h "$RUN_DIR" -p 5432
}

ready_redis() {
    [[ -S $RUN_DIR/redis.sock && $(redis-cli -s "$RUN_DIR/redis.sock" ping 2>/dev/null) == PONG ]]
}

# What lacks, in the words of the daemon itself.
ready_detail() { # name
    [[ ${READY[$1]} == http && -S $RUN_DIR/$1.ops ]] || return 0
    curl --silent --max-time 2 --unix-socket "$RUN_DIR/$1.ops" http://localhost/readyz || true
}
