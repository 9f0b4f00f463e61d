# shellcheck shell=bash
# The database into a file, and back. Sourced by parleyctl.
#
# Everything that counts is in Postgres. Redis needs no backup: after a restore delivery begins a new data set in it, and every
# device reads from the log what it lacks. Passwords of the roles and certificates are not in it: they are made anew, or lie
# where the operator keeps them.

readonly SCHEMAS="'users','metadata','chat','delivery'"

# Reads all of it, not only its table of contents: what was cut off or damaged does not pass.
check_archive() { # file; complaints on the standard output
    { "$POSTGRES_BIN/pg_restore" --file=/dev/null -- "$1" >/dev/null; } 2>&1
}

ctl_backup() {
    local file partial complaint bytes
    take_options -- "$@"
    need_words 1 'the name of a new file'
    file=$(realpath -m -- "${WORDS[0]}")
    [[ ! -e $file ]] || refuse "$file is there already; give another name, or move it away"
    [[ -d ${file%/*} ]] || refuse "there is no folder ${file%/*}; make it, or give another name"
    ask_sql <<<'select 1 from public.parley_migrations limit 1;' >/dev/null
    partial=$(mktemp -- "$file.XXXXXX" 2>/dev/null) || refuse "cannot write to ${file%/*}; give a name in a folder of yours"
    # shellcheck disable=SC2064 # the name as it is now
    trap "$(printf 'rm -f -- %q' "$partial")" EXIT
    complaint=$(run_postgres parley pg_dump --format=custom --no-owner 2>&1 >"$partial") ||
        die "the backup was not made: $(first_error "$complaint"); is there room on the disk, and is $POSTGRES_BIN as new as the server?"
    complaint=$(check_archive "$partial") || die "the backup cannot be read back: $(first_error "$complaint"); is the disk full or damaged?"
    sync -- "$partial"
    mv -n -- "$partial" "$file"
    [[ ! -e $partial ]] || refuse "$file has come to be meanwhile; give another name"
    bytes=$(stat -c %s -- "$file")
    if [[ -n $JSON ]]; then
        printf '{"file":%s,"bytes":%d,"sha256":"%s"}\n' "$(json_string "$file")" "$bytes" "$(sha256sum <"$file" | cut -c1-64)"
    else
        printf '%s: %d bytes, read back whole\n' "$file" "$bytes"
    fi
}

json_string() { # text
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//$'\n'/\\n}
    printf '"%s"' "${text//[$'\001'-$'\037']/?}"
}

# Without a running Postgres of ours there is one for as long as this takes.
start_private_postgres() {
    local table=$1/processes
    grep '^postgres ' "$DEPLOY_DIR/processes" >"$table"
    env -u PARLEY_REDIS PARLEY_PROCESSES="$table" PARLEY_ENVIRONMENT=development setsid "$DEPLOY_DIR/supervisor" run >"$1/output" 2>&1 </dev/null &
    POSTGRES_SUPERVISOR=$!
    until grep -q 'everything is ready' "$1/output"; do
        kill -0 "$POSTGRES_SUPERVISOR" 2>/dev/null || die "Postgres does not start: $(tail -n 1 "$1/output")"
        sleep 0.1
    done
}

end_private_postgres() { # folder
    if [[ -n ${POSTGRES_SUPERVISOR-} ]]; then
        kill -TERM "$POSTGRES_SUPERVISOR" 2>/dev/null || true
        wait "$POSTGRES_SUPERVISOR" 2>/dev/null || true
    fi
    rm -rf -- "$1"
}

is_supervised() {
    [[ -e $STATE_DIR/lock ]] && ! flock -n "$STATE_DIR/lock" true
}

# Redis may be the same as before, with inboxes that know later offsets than the backup. So its data set gets a name that none
# has: delivery begins a new one, and every device resyncs (0 would mean that there never was one, and that devices lack nothing).
# And delivery takes over only under a number above every one that Redis has seen: seconds since 1970 are above all that
# processes have counted up to.
readonly FORGET_REDIS="update delivery.shard set redis_epoch = ('x' || left(md5(gen_random_uuid()::text), 15))::bit(60)::bigint | 1,
    epoch = greatest(epoch, extract(epoch from now())::bigint);"

# A dump of a database has neither the roles nor what migrations have set for them, which are the server's.
write_roles() {
    printf '%s\n' "select format('create role %I login', role) from unnest(array['parley_user','parley_metadata'," \
        "'parley_chat','parley_delivery']) role where not exists (select from pg_roles where rolname = role) \\gexec"
    cat -- "$CHECKOUT"/sql/*.sql | grep -iE '^alter role parley_[a-z]+ (re)?set [a-z_.]+( *= *[a-z0-9_]+)?;$'
}

ctl_restore() {
    local file complaint counts
    take_options -- "$@"
    need_words 1 'the name of a file that parleyctl backup has made'
    file=$(realpath -m -- "${WORDS[0]}")
    [[ -r $file ]] || refuse "there is no $file that can be read"
    complaint=$(check_archive "$file") || refuse "$file is no backup that can be read whole: $(first_error "$complaint")"
    WORK=$(mktemp -d)
    trap 'end_private_postgres "$WORK"' EXIT
    if [[ -n $PRIVATE_POSTGRES ]] && ! is_supervised; then start_private_postgres "$WORK"; fi
    if [[ -n $PRIVATE_POSTGRES ]]; then
        run_psql postgres >/dev/null 2>&1 <<<"select 'create database parley' where not exists (select from pg_database where datname = 'parley') \\gexec" ||
            die "Postgres cannot be asked; is it running (deploy/parleyctl status)?"
    fi
    refuse_full_database
    write_roles | ask_sql >/dev/null
    complaint=$(run_postgres parley pg_restore --no-owner --exit-on-error --single-transaction <"$file" 2>&1) ||
        die "nothing was restored: $(first_error "$complaint")"
    counts=$(ask_sql <<<"$FORGET_REDIS
        select (select count(*) from users.account where erased_at_ms is null), (select count(*) from metadata.chat where not deleted),
            (select count(*) from chat.event);") || exit $?
    IFS='|' read -r users chats events <<<"$counts"
    if [[ -n $JSON ]]; then
        printf '{"file":%s,"users":%d,"chats":%d,"events":%d}\n' "$(json_string "$file")" "$users" "$chats" "$events"
    else
        printf 'restored %d users, %d chats, %d events; start Parley now: it applies the migrations that are newer, and devices resync\n' \
            "$users" "$chats" "$events"
    fi
}

refuse_full_database() {
    local found
    found=$(ask_sql <<<"select nspname from pg_namespace where nspname in ($SCHEMAS) limit 1;") || exit $?
    [[ -z $found ]] || refuse "the database is not empty (it has the schema $found): restore into a new one, named by PARLEY_POSTGRES;$(
        if [[ -n $PRIVATE_POSTGRES ]]; then printf ' or stop Parley and move %s/postgres away' "$STATE_DIR"; fi) - nothing was changed"
}
