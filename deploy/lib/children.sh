# shellcheck shell=bash
# The supervisor's children: start, notice a death at once, start again with back-off, stop in order. Sourced.
#
# One bash process, no threads: `wait -n` returns when any child ends, and a pause before a restart is itself a child
# (a sleep), so that nothing here ever waits for one thing only. Every child has its own session (a Ctrl-C reaches
# the supervisor alone) and a parent-death signal, so that none survives a kill -9 of the supervisor.

declare -a ORDER=()                                                     # names, as in the table
declare -A READY RESTART STOP GRACE_S ORPHAN COMMAND                    # the table's columns by name
declare -A PID=() STARTED_MS=() RESTARTS=() FAILURES=() EXIT_STATUS=()
declare -A TIMER=()                                                     # name to the pid of the sleep before its restart
TICK_PID=
STOPPING=0                                                              # how often we were asked to stop

readonly FIRST_DELAY_MS=100 LONGEST_DELAY_MS=5000 STEADY_MS=2000
# Exit statuses of a program that will not do better next time (sysexits.h: usage, unavailable, configuration).
readonly HOPELESS=' 64 69 78 126 127 '

exec {PAUSE_FD}<> <(:) # nothing is ever written to it: `read -t` on it is a sleep without a process

pause() { # seconds
    read -r -t "$1" -u "$PAUSE_FD" || true
}

now_ms() { # variable; monotonic, so that a clock set back delays nothing
    local up
    read -r up _ </proc/uptime
    up=${up/./}
    printf -v "$1" '%s' "$((10#$up * 10))"
}

say() {
    local now
    now_ms now
    printf '[%3d.%02d s] %s\n' $(((now - BEGAN_MS) / 1000)) $(((now - BEGAN_MS) % 1000 / 10)) "$*"
}

read_processes() {
    local name is_ready restart stop grace_s orphan command
    while read -r name is_ready restart stop grace_s orphan command; do
        [[ -n $name && $name != \#* ]] || continue
        [[ -n $command && $grace_s =~ ^[0-9]+$ ]] || DIE_STATUS=64 die "$PROCESSES: the row of '$name' lacks columns"
        if [[ $name == postgres && -z $PRIVATE_POSTGRES ]] || [[ $name == redis && -z $PRIVATE_REDIS ]]; then continue; fi
        ORDER+=("$name")
        READY[$name]=$is_ready RESTART[$name]=$restart STOP[$name]=$stop GRACE_S[$name]=$grace_s
        ORPHAN[$name]=$orphan COMMAND[$name]=$command RESTARTS[$name]=0 FAILURES[$name]=0
    done <"$PROCESSES"
    [[ ${#ORDER[@]} -gt 0 ]] || DIE_STATUS=64 die "$PROCESSES has no rows"
}

# Processes whose working folder is this one: what an earlier supervisor, or a killed master, left behind. Ours have no
# terminal, so somebody's shell that happens to stand there is not taken for one.
strays_in() { # folder, variable for the pids
    local proc stat
    local -a field
    local -n found=$2
    found=()
    for proc in /proc/[0-9]*; do
        [[ $proc/cwd -ef $1 ]] || continue
        { read -r stat <"$proc/stat"; } 2>/dev/null || continue
        read -ra field <<<"${stat##*) }" # state ppid pgrp session tty_nr
        if [[ ${field[0]} != Z && ${field[4]} == 0 ]]; then found+=("${proc#/proc/}"); fi
    done
}

# With the signal that ends such a process at once (the table's column `orphan`): an nginx worker takes QUIT for a request
# to wait until its clients have gone.
end_strays() { # signal, folder…
    local folder signal
    local -a pids
    local -a signals=("$1" "$1" KILL)
    shift
    for folder in "$@"; do
        for signal in "${signals[@]}"; do
            strays_in "$folder" pids
            [[ ${#pids[@]} -gt 0 ]] || break
            kill "-$signal" "${pids[@]}" 2>/dev/null || true
            for _ in {1..50}; do
                strays_in "$folder" pids
                [[ ${#pids[@]} -gt 0 ]] || break 2
                pause 0.02
            done
        done
    done
}

# What becomes the child, already as the service user. The parent is compared because it may have died between fork and
# the setting of the parent-death signal. The pid file is written here: root writes into no folder of the service user.
# shellcheck disable=SC2016 # expanded by the child's shell
readonly CHILD='cd -- "$1" && [ "$PPID" = "$2" ] && exec >>"$3" 2>&1 && echo "$5" >"$4.restarts" && echo $$ >"$4.pid" && shift 5 && exec "$@"'

spawn() { # name
    local name=$1 log=$LOG_DIR/$1.log work=$STATE_DIR/work/$1
    local -a argv extra=()
    if declare -F "prepare_$name" >/dev/null; then "prepare_$name"; fi
    if [[ ! -d $work ]]; then make_private_folder "$work" 700; fi
    end_strays "${ORPHAN[$name]}" "$work"
    eval "argv=(${COMMAND[$name]})"
    if [[ -e $SECRETS_DIR/postgres-$name ]]; then
        extra=("PARLEY_POSTGRES_PASSWORD_FILE=$SECRETS_DIR/postgres-$name")
    fi
    # What the former one left would make this one look as if it were ready.
    rm -f -- "$RUN_DIR/$name.ops" "$RUN_DIR/$name.pid"
    # A shell without job control makes its background children ignore INT and QUIT: undo that.
    setsid "${AS_SERVICE[@]}" "--pdeathsig=${ORPHAN[$name]}" env --default-signal=INT,QUIT "${CHILD_ENVIRONMENT[@]}" "${extra[@]}" \
        sh -c "$CHILD" sh "$work" $$ "$log" "$RUN_DIR/$name" "${RESTARTS[$name]}" "${argv[@]}" \
        </dev/null {LOCK_FD}>&- {RUN_LOCK_FD}>&- {PAUSE_FD}>&- {ERROR_FD}>&- &
    PID[$name]=$!
    now_ms "STARTED_MS[$name]"
}

# A log that has grown large becomes NAME.log.1, in place of the one before it. It is copied and cut, not moved: its
# writers have it open, to append.
rotate_logs() {
    local log bytes
    for log in "$LOG_DIR"/*.log "$STATE_DIR/work/nginx/access.log"; do
        bytes=$(stat -c %s -- "$log" 2>/dev/null) || continue
        if ((bytes > MAX_LOG_BYTES)); then
            # shellcheck disable=SC2016 # expanded by the inner shell
            "${AS_SERVICE[@]}" sh -c 'cp -- "$1" "$1.1" && : >"$1"' sh "$log" || true
        fi
    done
}

# Once a minute, and a bound on how long `wait -n` can last.
tick() {
    if [[ -n $TICK_PID ]] && kill -0 "$TICK_PID" 2>/dev/null; then return; fi
    rotate_logs
    setpriv --pdeathsig=KILL sleep 60 {LOCK_FD}>&- {RUN_LOCK_FD}>&- {PAUSE_FD}>&- {ERROR_FD}>&- &
    TICK_PID=$!
}

# Runs a row of kind `once` to its end. It may be asked to stop meanwhile.
run_once() { # name
    local name=$1 status=0
    local -a argv
    eval "argv=(${COMMAND[$name]})"
    setpriv "--pdeathsig=${ORPHAN[$name]}" "${argv[@]}" </dev/null 2>&"$ERROR_FD" {LOCK_FD}>&- {RUN_LOCK_FD}>&- {PAUSE_FD}>&- {ERROR_FD}>&- &
    PID[$name]=$!
    while kill -0 "${PID[$name]}" 2>/dev/null; do
        [[ $STOPPING -eq 0 ]] || return 0
        pause 0.01
    done
    wait "${PID[$name]}" || status=$?
    unset "PID[$name]"
    [[ $status -eq 0 ]] || die "'$name' failed (status $status); nothing was started after it"
}

# True when a child or a timer had ended and was dealt with.
check_children() {
    local name nothing=1
    for name in "${ORDER[@]}"; do
        if [[ -n ${PID[$name]-} ]] && ! kill -0 "${PID[$name]}" 2>/dev/null; then
            on_death "$name"
            nothing=0
        elif [[ -n ${TIMER[$name]-} ]] && ! kill -0 "${TIMER[$name]}" 2>/dev/null; then
            unset "TIMER[$name]"
            RESTARTS[$name]=$((RESTARTS[$name] + 1))
            spawn "$name"
            say "$name again (pid ${PID[$name]}, restart ${RESTARTS[$name]})"
            nothing=0
        fi
    done
    return $nothing
}

on_death() { # name
    local name=$1 status=0 now delay_ms
    wait "${PID[$name]}" || status=$?
    EXIT_STATUS[$name]=$status
    unset "PID[$name]"
    now_ms now
    if ((now - STARTED_MS[$name] >= STEADY_MS)); then FAILURES[$name]=0; fi
    FAILURES[$name]=$((FAILURES[$name] + 1))
    delay_ms=$((FIRST_DELAY_MS << (FAILURES[$name] > 7 ? 6 : FAILURES[$name] - 1)))
    if ((delay_ms > LONGEST_DELAY_MS)); then delay_ms=$LONGEST_DELAY_MS; fi
    say "$name ended ($(status_text "$status")); again in $delay_ms ms"
    setpriv --pdeathsig=KILL sleep "$((delay_ms / 1000)).$(printf '%03d' $((delay_ms % 1000)))" \
        {LOCK_FD}>&- {RUN_LOCK_FD}>&- {PAUSE_FD}>&- {ERROR_FD}>&- &
    TIMER[$name]=$!
}

status_text() { # exit status
    if (($1 > 128)); then printf 'signal %s' "$(kill -l "$1")"; else printf 'status %s' "$1"; fi
}

# Returns when the child serves; ends the supervisor when it does not in time, with the last words of its log.
await_ready() { # name
    local name=$1 now deadline_ms=20000 every_s=0.01 detail=
    # Recovery after a crash reads back what was written since the last checkpoint: seconds, sometimes many. Each look
    # meanwhile is a line in its log.
    if [[ $name == postgres ]]; then deadline_ms=120000 every_s=0.04; fi
    until [[ -s $RUN_DIR/$name.pid ]] && is_ready "$name"; do
        [[ $STOPPING -eq 0 ]] || return 0
        check_children || true
        now_ms now
        if ((FAILURES[$name] > 0)) && [[ $HOPELESS == *" ${EXIT_STATUS[$name]} "* ]] || ((FAILURES[$name] >= 5)); then
            fail_start "$name" "$name does not start"
        fi
        if ((now - STARTED_MS[$name] > deadline_ms)); then
            detail=$(ready_detail "$name")
            fail_start "$name" "$name is not ready after $((deadline_ms / 1000)) s${detail:+: $detail}"
        fi
        pause "$every_s"
    done
}

fail_start() { # name message
    local log=$LOG_DIR/$1.log
    printf 'parley: %s; the end of %s:\n' "$2" "$log" >&"$ERROR_FD"
    tail -n 8 -- "$log" 2>/dev/null | sed 's/^/    /' >&"$ERROR_FD"
    exit 69
}

stop_timers() {
    local name
    for name in "${!TIMER[@]}"; do kill -KILL "${TIMER[$name]}" 2>/dev/null || true; done
    TIMER=()
    wake
}

# In the reverse order, each with its grace. A second request to stop ends the patience.
stop_all() {
    local index name
    local -a later=()
    trap - EXIT
    stop_timers
    for ((index = ${#ORDER[@]} - 1; index >= 0; index--)); do
        name=${ORDER[index]}
        [[ -n ${PID[$name]-} ]] || continue
        kill "-${STOP[$name]%+}" "${PID[$name]}" 2>/dev/null || true
        if [[ ${STOP[$name]} == *+ ]]; then later+=("$name"); else end_child "$name"; fi
    done
    for name in "${later[@]}"; do end_child "$name"; done
    rm -f -- "$RUN_DIR"/*.pid "$RUN_DIR"/*.restarts
}

end_child() { # name, already signalled
    local name=$1 began now status=0
    now_ms began
    while kill -0 "${PID[$name]}" 2>/dev/null; do
        now_ms now
        if ((now - began > GRACE_S[$name] * 1000 || STOPPING > 1)); then
            say "$name did not end in time; killed"
            kill -KILL "${PID[$name]}" 2>/dev/null || true
            break
        fi
        pause 0.01
    done
    wait "${PID[$name]}" 2>/dev/null || status=$?
    unset "PID[$name]"
    end_strays "${ORPHAN[$name]}" "$STATE_DIR/work/$name"
    say "$name stopped ($(status_text "$status"))"
}
