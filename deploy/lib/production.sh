# shellcheck shell=bash
# What may be on a demonstration machine and not where people's messages are. Sourced by the supervisor.

# Every reason at once, each with its mend: nobody should have to start five times to learn five things.
check_production() {
    local -a reasons=()
    local origins=${PARLEY_DELIVERY_ALLOWED_ORIGINS-}
    [[ $ENVIRONMENT == production ]] || return 0
    if [[ -z $origins && -n ${PARLEY_CONFIG-} && -r ${PARLEY_CONFIG-} ]]; then
        origins=$(sed -nE 's/^[[:space:]]*delivery\.allowed_origins[[:space:]]*=[[:space:]]*//p' "$PARLEY_CONFIG" | tail -n 1)
    fi
    if [[ -n $PRIVATE_POSTGRES ]]; then
        reasons+=("the private Postgres has no backup and no replica: set PARLEY_POSTGRES to the server that has")
    fi
    if [[ -n $PRIVATE_REDIS ]]; then
        reasons+=("the private Redis is for trying out: set PARLEY_REDIS to a server of yours")
    fi
    case ,${origins// /}, in
    ,,) reasons+=("any page may open a WebSocket: set PARLEY_DELIVERY_ALLOWED_ORIGINS to the addresses of your pages, such as https://chat.example.org") ;;
    *,\*,* | *,http:*) reasons+=("the allowed origins '$origins' hold * or plain http: set PARLEY_DELIVERY_ALLOWED_ORIGINS to https addresses only") ;;
    esac
    if [[ ${PARLEY_TLS-} != outside && (-z ${PARLEY_TLS_CERTIFICATE-} || -z ${PARLEY_TLS_KEY-}) ]]; then
        reasons+=("passwords would cross the network in the clear: set PARLEY_TLS_CERTIFICATE and PARLEY_TLS_KEY, or PARLEY_TLS=outside when something in front ends TLS")
    fi
    if [[ -n $DEMONSTRATION ]]; then
        reasons+=("everybody knows the passwords of the demonstration: unset PARLEY_DEMONSTRATION")
    fi
    if [[ $VARIANT != release ]]; then
        reasons+=("the '$VARIANT' build is for tests: set PARLEY_VARIANT=release")
    fi
    [[ ${#reasons[@]} -gt 0 ]] || return 0
    printf 'parley: PARLEY_ENVIRONMENT=production refuses to start:\n' >&2
    printf '  - %s\n' "${reasons[@]}" >&2
    exit 64
}
