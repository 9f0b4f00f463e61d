# shellcheck shell=bash
# The private Postgres: made at the first start, configured anew at each. Sourced.

readonly POSTGRES_ADMIN=parley_admin

# What the daemons are given: where, but not who; each adds its own role and password.
postgres_base() {
    if [[ -n $PRIVATE_POSTGRES ]]; then
        printf 'host=%s port=5432 dbname=parley' "$RUN_DIR"
    else
        without_user "$PARLEY_POSTGRES"
    fi
}

# An administrator's name and password have no place in a daemon's environment.
without_user() { # conninfo or URI
    local text=$1 scheme
    if [[ $text =~ ^postgres(ql)?:// ]]; then
        scheme=${text%%://*}
        text=${text#*://}
        if [[ ${text%%/*} == *@* ]]; then text=${text#*@}; fi
        printf '%s://%s' "$scheme" "$text"
        return
    fi
    # key = value, where a value may stand in single quotes with \ before a quote
    sed -E "s/(^|[[:space:]])(user|password|passfile)[[:space:]]*=[[:space:]]*('([^'\\\\]|\\\\.)*'|[^[:space:]']*)/\1/g; s/^[[:space:]]+|[[:space:]]+\$//g" <<<"$text"
}

# What migrations connect with. The private server knows the service user by the kernel's word (peer): no password.
postgres_admin() { # database
    if [[ -n $PRIVATE_POSTGRES ]]; then
        printf 'host=%s port=5432 dbname=%s user=%s' "$RUN_DIR" "$1" "$POSTGRES_ADMIN"
    else
        printf '%s' "${PARLEY_POSTGRES_ADMIN:-$PARLEY_POSTGRES}"
    fi
}

# Sets CONNINFO and PASSWORD: a password has no place on psql's command line, which everybody can read.
split_password() { # conninfo or URI
    CONNINFO=$1
    PASSWORD=
    if [[ $1 =~ ^(postgres(ql)?://[^:@/]*):([^@/]*)(@.*)$ ]]; then
        printf -v PASSWORD '%b' "${BASH_REMATCH[3]//%/\\x}"
        CONNINFO=${BASH_REMATCH[1]}${BASH_REMATCH[4]}
    elif [[ $1 =~ ^(.*)(^|[[:space:]])password[[:space:]]*=[[:space:]]*(\'(([^\\\']|\\.)*)\'|[^[:space:]\']+)(.*)$ ]]; then
        PASSWORD=${BASH_REMATCH[4]:-${BASH_REMATCH[3]}}
        PASSWORD=${PASSWORD//\\\'/\'}
        CONNINFO="${BASH_REMATCH[1]} ${BASH_REMATCH[6]}"
    fi
}

# One of Postgres' programs as the administrator. psql reads passwords for \password from the terminal if there is one, else from
# its input: setsid sees to the latter.
run_postgres() { # database, program, arguments…
    local -a as=()
    local program=$2
    if [[ -n $PRIVATE_POSTGRES ]]; then as=("${AS_SERVICE[@]}"); fi
    split_password "$(postgres_admin "$1")"
    shift 2
    (
        if [[ -n $PASSWORD ]]; then export PGPASSWORD=$PASSWORD; fi
        cd /
        PGCONNECT_TIMEOUT=5 PGAPPNAME="${0##*/}" PGOPTIONS='-c client_min_messages=warning' exec setsid --wait \
            "${as[@]}" "$POSTGRES_BIN/$program" --no-password --dbname="$CONNINFO" "$@"
    )
}

run_psql() { # database, psql's arguments…
    run_postgres "$1" psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 "${@:2}"
}

prepare_postgres() {
    local data=$STATE_DIR/postgres/data
    local -a left
    [[ -n $POSTGRES_BIN ]] || die "Postgres is not installed; run deploy/install, or set PARLEY_POSTGRES to an existing server"
    # A pid in postmaster.pid may meanwhile be anybody's, or a zombie's: Postgres would refuse to start for its sake. So
    # end what is left of the former server by its working folder, which nobody else has, and only then remove the files.
    end_strays QUIT "$data"
    strays_in "$data" left
    if [[ ${#left[@]} -eq 0 ]]; then rm -f -- "$data/postmaster.pid" "$RUN_DIR"/.s.PGSQL.5432*; fi
    write_postgres_settings
    [[ -e $data/PG_VERSION ]] || make_cluster "$data"
}

# A folder appears under its final name only when it is whole: a start that was interrupted here is simply repeated.
make_cluster() { # data folder
    local fresh=$STATE_DIR/postgres/new
    rm -rf -- "$fresh"
    "${AS_SERVICE[@]}" "$POSTGRES_BIN/initdb" --pgdata="$fresh" --username="$POSTGRES_ADMIN" --encoding=UTF8 \
        --locale=C.UTF-8 --data-checksums --auth-local=peer --auth-host=reject --no-instructions \
        >"$CONF_DIR/initdb.log" 2>&1 {LOCK_FD}>&- {RUN_LOCK_FD}>&- {PAUSE_FD}>&- {ERROR_FD}>&- ||
        die "initdb failed: $(tail -n 1 "$CONF_DIR/initdb.log") (see $CONF_DIR/initdb.log)"
    "${AS_SERVICE[@]}" mv -- "$fresh" "$1"
    say "a new Postgres cluster in $1"
}

write_postgres_settings() {
    cat >"$CONF_DIR/postgresql.conf" <<TEXT
# Written by the supervisor at each start; changes here do not last.
listen_addresses = ''
unix_socket_directories = '$RUN_DIR'
unix_socket_permissions = 0770
max_connections = 100
cluster_name = 'parley'
# Two cores and a few GiB: the tables in use fit, and the file cache holds the rest.
shared_buffers = 256MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 64MB
max_parallel_workers_per_gather = 0
jit = off
# Durable: an answer means that it is on the disk.
fsync = on
synchronous_commit = on
full_page_writes = on
wal_level = replica
wal_compression = lz4
max_wal_size = 2GB
min_wal_size = 256MB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9
idle_in_transaction_session_timeout = 60s
# To stderr, which the supervisor sends to a file. Never a parameter (a message body), never the row of an error.
logging_collector = off
log_destination = stderr
log_line_prefix = '%m [%p] %u '
log_timezone = UTC
timezone = UTC
log_error_verbosity = terse
log_min_error_statement = panic
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_checkpoints = off
password_encryption = scram-sha-256
TEXT
    # `password`, not scram-sha-256: what is kept is the same, but libpq answers SCRAM with all of OpenSSL, 2.3 MB of each daemon's
    # memory. The password goes over a Unix socket in a folder that is the service user's, who can read it anyway.
    printf 'local all %s peer map=parley\nlocal all all password\n' "$POSTGRES_ADMIN" >"$CONF_DIR/pg_hba.conf"
    printf 'parley "%s" %s\n' "$(id -un "$SERVICE_UID")" "$POSTGRES_ADMIN" >"$CONF_DIR/pg_ident.conf"
    chmod 640 -- "$CONF_DIR/postgresql.conf" "$CONF_DIR/pg_hba.conf" "$CONF_DIR/pg_ident.conf"
    if [[ $EUID -eq 0 ]]; then
        chgrp -- "$SERVICE_USER" "$CONF_DIR/postgresql.conf" "$CONF_DIR/pg_hba.conf" "$CONF_DIR/pg_ident.conf"
    fi
}
