# shellcheck shell=bash
# What the commands of parleyctl share: asking Postgres and Redis, ids, tables, confirmation. Sourced.
#
# Statements are constants; what comes from outside goes into them as psql's variables (:'name') or as keys and arguments of
# a script in Redis, never as text. Exit statuses: 0, 1 refused or not there, 64 usage, 69 something cannot be reached.

readonly MAX_ID=9223372036854775807
readonly MAX_LIMIT=10000
readonly NOW_MS='(extract(epoch from clock_timestamp()) * 1000)::bigint'

refuse() { # message
    DIE_STATUS=1 die "$*"
}

misuse() { # message
    DIE_STATUS=64 die "$*; deploy/parleyctl $COMMAND --help shows examples"
}

prepare_commands() {
    settings_load
    [[ -n $POSTGRES_BIN ]] || die "psql is not installed; run deploy/install"
}

# --- what was given ---

# Compared as text, for the shell's numbers would wrap around.
is_number() { # word, largest
    [[ $1 =~ ^(0|[1-9][0-9]*)$ ]] || return 1
    if ((${#1} != ${#2})); then
        ((${#1} < ${#2}))
    else
        [[ ! $1 > $2 ]]
    fi
}

is_positive() { # word, largest
    [[ $1 != 0 ]] && is_number "$@"
}

need_id() { # what it is, word
    is_positive "$2" "$MAX_ID" || misuse "'$2' is no $1"
}

# Takes options of the form --name value or --name=value out of the words; the rest is left in WORDS.
take_options() { # names of options, each NAME or NAME= (with a value), then --, then the words
    local -A known=()
    local name is_plain=
    while [[ $1 != -- ]]; do
        known[${1%=}]=${1: -1}
        shift
    done
    shift
    WORDS=()
    OPTION=()
    while [[ $# -gt 0 ]]; do
        name=${1%%=*}
        name=${name#--}
        if [[ -n $is_plain || $1 != --* ]]; then
            WORDS+=("$1")
        elif [[ $1 == -- ]]; then
            is_plain=1
        elif [[ ! $name =~ ^[a-z][a-z-]*$ || -z ${known[$name]-} ]]; then
            misuse "there is no option --$name"
        elif [[ ${known[$name]} != = ]]; then
            [[ $1 == "--$name" ]] || misuse "--$name takes no value"
            OPTION[$name]=1
        elif [[ $1 == *=* ]]; then
            OPTION[$name]=${1#*=}
        else
            [[ $# -gt 1 ]] || misuse "--$name needs a value"
            OPTION[$name]=$2
            shift
        fi
        shift
    done
}
declare -A OPTION=()

need_words() { # count, what they are
    [[ ${#WORDS[@]} -eq $1 ]] || misuse "it takes $2"
}

need_limit() { # sets LIMIT
    LIMIT=${OPTION[limit]-50}
    is_positive "$LIMIT" "$MAX_LIMIT" || misuse "--limit is '$LIMIT'; it must be a number from 1 to $MAX_LIMIT"
}

# Asks for a word that nobody types by mistake. Without a terminal there is nobody to ask.
confirm() { # word, what will happen
    local typed=
    [[ -z ${OPTION[yes]-} ]] || return 0
    [[ -t 0 ]] || refuse "$2; give --yes to do so without being asked"
    printf '%s.\nType %s to go on: ' "$2" "$1" >&2
    read -r typed || true
    [[ $typed == "$1" ]] || refuse 'nothing was changed'
}

# --- Postgres ---

# As the administrator. Statements on the standard input; psql's words in one line when it fails. What the server only warns
# of, at each connection after an upgrade of the C library, is no part of the answer.
ask_sql() { # psql's arguments…
    local complaints
    { complaints=$(run_psql parley "$@" 2>&1 >&3); } 3>&1 ||
        die "Postgres cannot be asked: $(first_error "$complaints"); is it running (deploy/parleyctl status), are the migrations applied (deploy/migrate --status)?"
}

first_error() { # a program's output
    local text
    text=$(sed -E 's/^(psql|pg_dump|pg_restore):(<stdin>:[0-9]+:)? *//; s/^ *(ERROR|FATAL|error): *//' <<<"$1" | grep -vE '^([[:space:]]*$|(WARNING|DETAIL|HINT):)' | head -n 1)
    printf '%s' "${text:-no reason was given}"
}

# A select as a table, or as a JSON array with its columns as members.
print_rows() { # select without semicolon, psql's arguments…
    local select=$1
    shift
    if [[ -n $JSON ]]; then
        ask_sql "$@" <<<"select coalesce(json_agg(row_to_json(r)), '[]') from ($select) r;"
    else
        ask_sql "$@" <<<"$(printf '%s\n' '\pset tuples_only off' '\pset format aligned' '\pset border 0' '\pset footer off' "$select;")"
    fi
}

# A select of one row as lines of name and value, or as a JSON object. Nothing when there is no row.
print_row() { # select without semicolon, psql's arguments…
    local select=$1
    shift
    if [[ -n $JSON ]]; then
        ask_sql "$@" <<<"select row_to_json(r) from ($select) r;"
    else
        ask_sql "$@" <<<"$(printf '%s\n' '\pset format aligned' '\pset border 0' '\pset expanded on' "$select;")"
    fi
}

# --- Redis ---

# Sets REDIS_WHERE.
find_redis() {
    local address
    address=$(redis_address)
    case $address in
    /*) REDIS_WHERE=(-s "$address") ;;
    *:*) REDIS_WHERE=(-h "${address%:*}" -p "${address##*:}") ;;
    *) DIE_STATUS=64 die "PARLEY_REDIS is '$address'; give the path of a Unix socket or host:port" ;;
    esac
}

ask_redis() { # command…
    local output
    find_redis
    output=$(timeout 10 "${AS_SERVICE[@]}" redis-cli -e "${REDIS_WHERE[@]}" "$@" 2>&1) ||
        die "Redis at ${REDIS_WHERE[1]} cannot be asked: $(head -n 1 <<<"$output"); is it running (deploy/parleyctl status)?"
    [[ -z $output ]] || printf '%s\n' "$output"
}

# The facts that a script in Redis told, for psql: \set takes no more than letters, digits and JSON's own marks.
set_facts() { # JSON
    [[ $1 =~ ^[][a-z0-9_:,.\{\}\"-]*$ ]] || die "Redis told what is no answer of ours; is something else in it?"
    printf "\\\\set facts '%s'\n" "$1"
}

# --- people ---

# Sets USER_ID and USER_NAME from an id, or from a username, which may have an @ in front.
find_user() { # word
    local found condition="username = lower(:'word')" word=${1#@}
    [[ -n $word ]] || misuse "'$1' is no user"
    if [[ $1 != @* ]] && is_number "$word" "$MAX_ID"; then condition="user_id = :'word'::bigint"; fi
    found=$(ask_sql --set=word="$word" <<<"select user_id, username from users.account where $condition and erased_at_ms is null;") || exit $?
    [[ -n $found ]] || refuse "there is no user '$1'; 'parleyctl users list' shows who there is (ids are digits; @123 is a username of digits)"
    USER_ID=${found%%|*}
    USER_NAME=${found#*|}
}

# Milliseconds since 1970 as a time for people and programs alike.
time_of() { # SQL expression
    printf "to_char(to_timestamp((%s) / 1000.0) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')" "$1"
}
