# shellcheck shell=bash
# Where things are and who runs them: everything the caller may set, checked, in one place. Sourced, never run.
#
# Who owns what when root starts it: the state folder and what the supervisor writes (conf, lock) stay root's, readable
# by the service user; what the children write (data, logs, secrets, sockets) lies in folders of the service user, and
# root never opens a file for writing there: a child could have put a link in its place.

readonly SERVICE_NAMES=(user metadata chat delivery)
readonly SERVICE_USER=parley
readonly MAX_RUN_DIR_BYTES=90 # a socket path has 107, the longest name in it is .s.PGSQL.5432

die() { # message: what is wrong, and how to mend it
    printf 'parley: %s\n' "$*" >&"${ERROR_FD:-2}"
    exit "${DIE_STATUS:-69}"
}

hash_of() { # text
    local sum
    sum=$(printf '%s' "$1" | sha256sum)
    printf '%s' "${sum:0:10}"
}

need_number() { # name value minimum maximum
    if [[ $2 =~ ^[0-9]{1,9}$ ]] && ((10#$2 >= $3 && 10#$2 <= $4)); then return; fi
    DIE_STATUS=64 die "$1 is '$2'; it must be a number from $3 to $4"
}

# The children, and what runs as the service user, have other working folders than the caller.
make_paths_absolute() { # names of variables
    local name
    for name in "$@"; do
        if [[ -n ${!name-} ]]; then export "$name=$(realpath -ms -- "${!name}")"; fi
    done
}

# shellcheck disable=SC2034 # what is set here is used by those who source this
settings_load() {
    make_paths_absolute PARLEY_CONFIG PARLEY_PROCESSES PARLEY_SQL_DIR PARLEY_TLS_CERTIFICATE PARLEY_TLS_KEY
    DEPLOY_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
    CHECKOUT=${DEPLOY_DIR%/*}
    PORT=${PARLEY_PORT:-8080}
    OPS_PORT=${PARLEY_OPS_PORT:-8081}
    BIND=${PARLEY_BIND:-127.0.0.1}
    ENVIRONMENT=${PARLEY_ENVIRONMENT:-development}
    VARIANT=${PARLEY_VARIANT:-release}
    PROCESSES=${PARLEY_PROCESSES:-$DEPLOY_DIR/processes}
    need_number PARLEY_PORT "$PORT" 1 65535
    need_number PARLEY_OPS_PORT "$OPS_PORT" 1 65535
    [[ $PORT != "$OPS_PORT" ]] || DIE_STATUS=64 die "PARLEY_PORT and PARLEY_OPS_PORT are both $PORT; give one of them another port"
    [[ $BIND =~ ^[0-9A-Za-z.:-]+$ ]] || DIE_STATUS=64 die "PARLEY_BIND is '$BIND'; give an address to listen on, such as 127.0.0.1"
    [[ $ENVIRONMENT == development || $ENVIRONMENT == production ]] ||
        DIE_STATUS=64 die "PARLEY_ENVIRONMENT is '$ENVIRONMENT'; it must be development or production"
    [[ -r $PROCESSES ]] || DIE_STATUS=64 die "the table of processes $PROCESSES cannot be read; see PARLEY_PROCESSES"
    MAX_LOG_BYTES=${PARLEY_MAX_LOG_BYTES:-67108864}
    need_number PARLEY_MAX_LOG_BYTES "$MAX_LOG_BYTES" 1000 999999999
    DEMONSTRATION=${PARLEY_DEMONSTRATION:+-demonstration} # its data has a folder of its own
    find_service_user
    find_state_dir
    find_run_dir
    SECRETS_DIR=$STATE_DIR/secrets
    LOG_DIR=$STATE_DIR/log
    CONF_DIR=$STATE_DIR/conf
    find_programs
    PRIVATE_POSTGRES=
    PRIVATE_REDIS=
    [[ -n ${PARLEY_POSTGRES-} ]] || PRIVATE_POSTGRES=1
    [[ -n ${PARLEY_REDIS-} ]] || PRIVATE_REDIS=1
}

# AS_SERVICE runs a command as the one unprivileged user that everything runs as.
find_service_user() {
    if [[ $EUID -ne 0 ]]; then
        SERVICE_UID=$EUID
        AS_SERVICE=(setpriv --no-new-privs)
        return
    fi
    getent passwd "$SERVICE_USER" >/dev/null ||
        die "there is no user '$SERVICE_USER', and neither Postgres nor the daemons run as root; run deploy/install"
    SERVICE_UID=$(id -u "$SERVICE_USER")
    AS_SERVICE=(setpriv "--reuid=$SERVICE_USER" "--regid=$SERVICE_USER" --init-groups --inh-caps=-all
        --bounding-set=-all --no-new-privs)
}

service_may_enter() { # folder
    "${AS_SERVICE[@]}" test -x "$1"
}

# var/ in the checkout; but what root has under /root no service user can reach, and then it is /var/lib/parley.
find_state_dir() {
    local parent
    if [[ -n ${PARLEY_STATE_DIR-} ]]; then
        STATE_DIR=$(realpath -m -- "$PARLEY_STATE_DIR")
        parent=$STATE_DIR
        while parent=${parent%/*} && [[ -n $parent && ! -d $parent ]]; do :; done
        service_may_enter "${parent:-/}" ||
            die "the user '$SERVICE_USER' may not enter $parent, so it cannot reach PARLEY_STATE_DIR; choose a folder below /var/lib or /tmp, or chmod o+x the folders above it"
    elif service_may_enter "$CHECKOUT"; then
        STATE_DIR=$CHECKOUT/var$DEMONSTRATION
    else
        STATE_DIR=/var/lib/parley/$(hash_of "$CHECKOUT")$DEMONSTRATION
    fi
    [[ $STATE_DIR != / ]] || DIE_STATUS=64 die "PARLEY_STATE_DIR is /; give a folder of its own"
}

# Sockets have short paths, checkouts may be deep: so they have a folder of their own, named after the state folder.
find_run_dir() {
    local name=
    if [[ -n ${PARLEY_RUN_DIR-} ]]; then
        RUN_DIR=$(realpath -ms -- "$PARLEY_RUN_DIR")
    else
        name=$(hash_of "$STATE_DIR")
        if [[ $EUID -eq 0 ]]; then
            RUN_DIR=/run/parley-$name
        elif [[ -n ${XDG_RUNTIME_DIR-} && -w ${XDG_RUNTIME_DIR} && ${#XDG_RUNTIME_DIR} -lt 60 ]]; then
            RUN_DIR=$XDG_RUNTIME_DIR/parley-$name
        else
            RUN_DIR=/tmp/parley-$EUID-$name
        fi
    fi
    ((${#RUN_DIR} <= MAX_RUN_DIR_BYTES)) ||
        die "the folder for sockets $RUN_DIR is longer than $MAX_RUN_DIR_BYTES bytes; set PARLEY_RUN_DIR to a shorter one"
    [[ $RUN_DIR =~ ^/[A-Za-z0-9_./@+-]+$ ]] ||
        die "the folder for sockets $RUN_DIR has characters that configuration files cannot carry; set PARLEY_RUN_DIR to one of letters, digits and . _ - /"
}

find_programs() {
    local build=${PARLEY_BUILD_DIR:-$CHECKOUT/build}
    [[ $build == /* ]] || build=$CHECKOUT/$build
    BIN_DIR=$build/$VARIANT/bin
    WEB_DIR=$CHECKOUT/web
    API_DIR=$CHECKOUT/api
    ERRORS_DIR=$CHECKOUT/docs/errors
    POSTGRES_BIN=$(find_postgres)
}

# An existing cluster is opened with the version that made it.
find_postgres() {
    local version='*' candidate found=
    [[ -r $STATE_DIR/postgres/data/PG_VERSION ]] && read -r version <"$STATE_DIR/postgres/data/PG_VERSION"
    # shellcheck disable=SC2231 # the pattern is meant to expand
    for candidate in /usr/lib/postgresql/$version/bin; do
        [[ -x $candidate/psql ]] && found=$candidate
    done
    printf '%s' "$found"
}

# Makes the folders. Returns with every one of them there, private, and of the right owner.
make_folders() {
    local folder
    mkdir -p -- "$STATE_DIR" "$CONF_DIR" || die "cannot make $STATE_DIR; set PARLEY_STATE_DIR to a folder you may write"
    [[ -O $STATE_DIR ]] ||
        die "$STATE_DIR belongs to $(stat -c %U -- "$STATE_DIR"), and you are $(id -un); run as that user, or set PARLEY_STATE_DIR"
    if [[ $EUID -eq 0 ]]; then chgrp -- "$SERVICE_USER" "$STATE_DIR" "$CONF_DIR"; fi
    chmod 750 -- "$STATE_DIR" "$CONF_DIR"
    for folder in "$SECRETS_DIR" "$LOG_DIR" "$STATE_DIR/work" "$STATE_DIR/postgres"; do
        make_private_folder "$folder" 700
    done
    make_private_folder "$RUN_DIR" 750
}

make_private_folder() { # folder mode
    local owner
    if mkdir -m "$2" -- "$1" 2>/dev/null; then
        if [[ $EUID -eq 0 ]]; then chown -- "$SERVICE_USER:$SERVICE_USER" "$1"; fi
        return
    fi
    [[ -d $1 && ! -L $1 ]] || die "$1 is not a folder and cannot be made one; move it away, or set PARLEY_RUN_DIR or PARLEY_STATE_DIR"
    owner=$(stat -c %u -- "$1")
    if [[ $owner != "$SERVICE_UID" && $EUID -eq 0 && $owner == 0 ]]; then
        chown -- "$SERVICE_USER:$SERVICE_USER" "$1"
        owner=$SERVICE_UID
    fi
    [[ $owner == "$SERVICE_UID" ]] ||
        die "$1 belongs to $(stat -c %U -- "$1") and not to $(id -un "$SERVICE_UID"); remove it, or set PARLEY_RUN_DIR or PARLEY_STATE_DIR"
    chmod "$2" -- "$1"
}

# Copies programs and pages to where the service user can read them, when it cannot read the checkout.
stage_programs() {
    local name
    [[ $EUID -eq 0 ]] || return 0
    [[ -n $("${AS_SERVICE[@]}" find "$BIN_DIR" "$WEB_DIR" "$API_DIR" "$ERRORS_DIR" ! -readable 2>&1) ]] || return 0
    rm -rf -- "$STATE_DIR/stage"
    for name in BIN_DIR WEB_DIR API_DIR ERRORS_DIR; do stage_folder "$name"; done
    chmod -R a+rX -- "$STATE_DIR/stage"
}

stage_folder() { # variable with the folder; it names the copy afterwards
    local -n staged=$1
    mkdir -p -- "$STATE_DIR/stage/$1"
    if [[ -d $staged ]]; then cp -R -- "$staged/." "$STATE_DIR/stage/$1"; fi
    staged=$STATE_DIR/stage/$1
}

# One password per service role, made once. They never stand on a command line or in the environment.
make_secrets() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    "${AS_SERVICE[@]}" sh -c '
        umask 077
        folder=$1
        shift
        for name; do
            [ -s "$folder/postgres-$name" ] && continue
            head -c 32 /dev/urandom | od -An -v -tx1 | tr -d " \n" >"$folder/.new" &&
                mv "$folder/.new" "$folder/postgres-$name" || exit 1
        done' sh "$SECRETS_DIR" "${SERVICE_NAMES[@]}" || die "cannot write to $SECRETS_DIR; look at its owner and at the free disk space"
}

check_disk() {
    local free_kb
    free_kb=$(df -Pk -- "$STATE_DIR" | awk 'NR == 2 { print $4 }')
    ((free_kb >= 262144)) || die "only $((free_kb / 1024)) MiB are free where $STATE_DIR lies; make at least 256 MiB free, or set PARLEY_STATE_DIR to another disk"
}
