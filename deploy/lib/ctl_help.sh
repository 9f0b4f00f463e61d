# shellcheck shell=bash
# What parleyctl says of itself, and what a shell completes. Sourced by parleyctl.

help_all() {
    cat <<'TEXT'
usage: deploy/parleyctl COMMAND [SUBCOMMAND] [ARGUMENT…] [--json] [--help]

  status                     what runs, and what it lacks
  top                        a live screen: rates, latencies, queues, processes, Postgres, Redis
  users                      list, show, sessions, end-sessions, erase
  erase USER                 as users erase
  token                      make one for trying things; who is behind one
  chats                      list, show
  inboxes                    list the longest, show one device's, drop it
  poison                     list, show, release what was set aside
  trace CHAT SEQ             where a message is, for each member and device
  backup FILE, restore FILE  the database into a file, and back into an empty one
  completion                 for bash: source <(deploy/parleyctl completion)

Every command has --help with examples. --json prints one JSON value for programs.
Exit status: 0; 1 refused or not there; 64 wrong usage; 69 something cannot be reached (and 3: status, not everything is ready).
PARLEY_STATE_DIR, PARLEY_RUN_DIR, PARLEY_POSTGRES, PARLEY_POSTGRES_ADMIN and PARLEY_REDIS mean what they mean to
deploy/supervisor --help. Run it as root, or as the user that Parley runs as.
TEXT
}

help_of() { # command
    case $1 in
    status) cat <<'TEXT' ;;
usage: deploy/parleyctl status [--json]

What runs: name, pid, uptime, restarts, readiness. --json tells of each daemon what it lacks. Ends with 0 when everything is
ready, 3 when not.

  deploy/parleyctl status
  deploy/parleyctl status --json | jq .services[].readiness.dependencies
TEXT
    top) cat <<'TEXT' ;;
usage: deploy/parleyctl top [--once] [--interval SECONDS] [--json]

A live screen, new every second; q or Ctrl-C ends it. --once, --json and a standard output that is no terminal give one
screen, measured over one interval, as plain text or JSON.

  deploy/parleyctl top
  deploy/parleyctl top --once --interval 10
  deploy/parleyctl top --json | jq .messages.commit_p99_ms
TEXT
    users) cat <<'TEXT' ;;
usage: deploy/parleyctl users list [PREFIX] [--limit N] [--json]
       deploy/parleyctl users show USER [--json]
       deploy/parleyctl users sessions USER [--json]
       deploy/parleyctl users end-sessions USER [--yes] [--json]
       deploy/parleyctl users erase USER [--yes] [--json]

USER is an id or a username; @123 is a username of digits only. sessions lists the devices too that nobody is logged in on.
end-sessions closes the connections within a second. erase takes the account away for ever, its messages stay. Both ask
first; --yes does not.

  deploy/parleyctl users list ad
  deploy/parleyctl users show ada
  deploy/parleyctl users end-sessions ada --yes
TEXT
    erase) cat <<'TEXT' ;;
usage: deploy/parleyctl erase USER [--yes] [--json]

Erases an account for ever, as users erase does: profile, password, devices, memberships. Its messages stay in the chats.
Asks first; --yes does not.

  deploy/parleyctl erase ada
TEXT
    token) cat <<'TEXT' ;;
usage: deploy/parleyctl token make USER [--minutes N] [--force] [--json]
       deploy/parleyctl token who [--json] <FILE

make prints a token with which one acts as that user, for N minutes (60, at most 1440), on a device named parleyctl; a
second one ends the first. With PARLEY_ENVIRONMENT=production only with --force. who reads a token from the standard input,
never from an argument, which others could see, and tells whose it is.

  TOKEN=$(deploy/parleyctl token make ada)
  deploy/parleyctl token who <<<"$TOKEN"
TEXT
    chats) cat <<'TEXT' ;;
usage: deploy/parleyctl chats list [--user USER] [--limit N] [--json]
       deploy/parleyctl chats show CHAT [--json]

The latest chats first. show tells how far the log is, whether it has every change of the chat's, and who is in it with which
watermarks. No message is shown.

  deploy/parleyctl chats list --user ada
  deploy/parleyctl chats show 4611686018427387905
TEXT
    inboxes) cat <<'TEXT' ;;
usage: deploy/parleyctl inboxes list [--limit N] [--json]
       deploy/parleyctl inboxes show DEVICE [--limit N] [--json]
       deploy/parleyctl inboxes drop DEVICE [--yes] [--json]

What waits in Redis for devices that are away: the longest inboxes, and those whose device must resync. show lists what lies
first in one. drop empties it: its device is told to resync, and reads what it lacks from the log. Nothing is lost by that.

  deploy/parleyctl inboxes list --limit 10
  deploy/parleyctl inboxes show 4611686018427387905
TEXT
    poison) cat <<'TEXT' ;;
usage: deploy/parleyctl poison list [--json]
       deploy/parleyctl poison show ID
       deploy/parleyctl poison release ID|all [--json]

What was set aside: one a line. release, when the cause is mended: a change is tried again, an event is no longer listed (and
is again, when it is read and still cannot be shown), and for a delivery its devices are told to resync.
IDs are event:CHAT:SEQ, delivery:CHAT:SEQ and change:CHAT:VERSION.

  deploy/parleyctl poison show event:4611686018427387905:3
  deploy/parleyctl poison release all
TEXT
    trace) cat <<'TEXT' ;;
usage: deploy/parleyctl trace CHAT SEQ [--json]

Where a message, or another event, is: its place in the feed and how far delivery is there; of each member the watermarks; of
each device whether it is parked in its inbox and at which position, acknowledged (or older than a resync), on its way (not
settled yet: sent, or waiting, for a second or so), must resync, or is newer than the event and reads the log.

  deploy/parleyctl trace 4611686018427387905 17
TEXT
    backup) cat <<'TEXT' ;;
usage: deploy/parleyctl backup FILE [--json]

All of the database as it is at this moment into a new file, readable by you only, in the custom form of pg_dump.
Parley goes on meanwhile. The file is read back whole before it gets its name.

  deploy/parleyctl backup /var/backups/parley-$(date +%F).dump
TEXT
    restore) cat <<'TEXT' ;;
usage: deploy/parleyctl restore FILE [--json]

A backup into an empty database: all of it or nothing. Refuses a database that has anything of Parley's. Stop Parley first. With a
private Postgres move its folder away (var/postgres); it is started for as long as this takes. With PARLEY_POSTGRES name a
new database. What was written after the backup is gone; Redis may stay as it is.

  deploy/parleyctl restore /var/backups/parley-2026-11-26.dump
TEXT
    completion) cat <<'TEXT' ;;
usage: deploy/parleyctl completion

Prints what bash needs to complete commands, subcommands and options.

  source <(deploy/parleyctl completion)
  deploy/parleyctl completion >/etc/bash_completion.d/parleyctl
TEXT
    esac
}

# From the table of commands and from the usage lines of each help.
ctl_completion() {
    local command subcommands
    take_options -- "$@"
    need_words 0 'no argument'
    printf '_parleyctl() {\n    local words=\n    case $COMP_CWORD:${COMP_WORDS[1]} in\n'
    printf '    1:*) words="%s --help" ;;\n' "$(awk 'NF { printf "%s%s", (n++ ? " " : ""), $1 }' <<<"$COMMANDS")"
    while read -r command subcommands; do
        [[ -n $command ]] || continue
        if [[ $subcommands != - ]]; then printf '    2:%s) words="%s --help" ;;\n' "$command" "$subcommands"; fi
        printf '    *:%s) words="%s" ;;\n' "$command" "$(help_of "$command" | grep -oE -- '\[?--[a-z]+' | tr -d '[' | sort -u | tr '\n' ' ')--help"
    done <<<"$COMMANDS"
    # shellcheck disable=SC2016 # for the shell that reads it
    printf '%s\n' '    esac' '    case ${COMP_WORDS[1]} in' '    backup | restore) compopt -o default ;;' '    esac' \
        '    mapfile -t COMPREPLY < <(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")' '}' \
        'complete -F _parleyctl parleyctl deploy/parleyctl ./deploy/parleyctl'
}
