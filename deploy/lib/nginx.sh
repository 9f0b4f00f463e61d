# shellcheck shell=bash
# The front door's configuration, from its template. Sourced.

# status code title detail temporary, for what nginx answers by itself: the same shape as the daemons' errors.
readonly PROBLEMS='
400 bad_request Bad_request The_request_is_not_well-formed_HTTP. false
403 forbidden Forbidden This_is_not_allowed. false
404 not_found Not_found There_is_nothing_at_this_address. false
405 method_not_allowed Method_not_allowed This_method_does_not_exist_here. false
408 bad_request Request_timeout The_request_did_not_arrive_in_time. true
413 too_large Too_large The_body_is_larger_than_64_KiB. false
414 bad_request Address_too_long The_address_is_too_long. false
429 rate_limited Too_many_connections Too_many_connections_from_this_address. true
500 internal Internal_error Something_went_wrong_here. true
501 bad_request Not_implemented This_transfer_encoding_is_not_understood. false
503 unavailable Unavailable This_part_is_not_available_now;_try_again. true
'

# Not named locations: those cannot answer a request whose first line could not be read. `types {}` because the type
# would else be guessed from the address that was asked for.
problem_locations() {
    local status code title detail temporary extra retry
    printf '        error_page 400 494 505 =400 /_problem/400;\n        error_page 502 503 504 =503 /_problem/503;\n'
    while read -r status code title detail temporary; do
        extra='' retry=''
        case $status in
        '') continue ;;
        400) ;;
        403) # the only thing that is refused here is a method
            printf '        error_page 403 =405 /_problem/405;\n'
            continue
            ;;
        503) extra='add_header Retry-After 1 always;' retry=',"retry_after":1' ;;
        429) extra='add_header Retry-After 1 always;' retry=',"retry_after":1' ;;&
        405) extra='add_header Allow "GET, HEAD" always;' ;;&
        *) printf '        error_page %s /_problem/%s;\n' "$status" "$status" ;;
        esac
        cat <<TEXT
        location = /_problem/$status {
            internal;
            types { }
            default_type application/problem+json;
            charset off;
            $extra
            add_header X-Request-Id \$parley_request_id always;
            add_header X-Content-Type-Options nosniff always;
            add_header Cache-Control no-store always;
            return $status '{"type":"/docs/errors/$code","title":"${title//_/ }","status":$status,"detail":"${detail//_/ }","code":"$code","temporary":$temporary$retry,"request_id":"\$parley_request_id"}';
        }
TEXT
    done <<<"$PROBLEMS"
}

# keepalive: connections kept open to each daemon, per worker; closed before the daemon would.
upstreams() {
    local name socket
    for name in "${SERVICE_NAMES[@]}"; do
        socket=http
        if [[ $name == delivery ]]; then socket=ws; fi
        printf '    upstream %s { server unix:%s/%s.%s; keepalive 32; keepalive_timeout 10s; }\n' "$name" "$RUN_DIR" "$name" "$socket"
        printf '    upstream %s_ops { server unix:%s/%s.ops; }\n' "$name" "$RUN_DIR" "$name"
    done
}

listen_address() {
    local address=$BIND
    if [[ $address == *:* ]]; then address="[$address]"; fi
    printf '%s:%s%s' "$address" "$PORT" "${PARLEY_TLS_CERTIFICATE:+ ssl http2}"
}

tls_settings() {
    [[ -n ${PARLEY_TLS_CERTIFICATE-} ]] || return 0
    cat <<'TEXT'
        ssl_certificate tls.pem;
        ssl_certificate_key tls.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:tls:4m;
        ssl_session_tickets off;
TEXT
}

fill_template() { # descriptors, connections; the template on stdin
    local line key
    local -A value=([LISTEN]=$(listen_address) [OPS_PORT]=$OPS_PORT [WORKERS]=$(nproc) [MAX_FILES]=$1 [CONNECTIONS]=$2
        [CONNECTIONS_PER_ADDRESS]=${PARLEY_CONNECTIONS_PER_ADDRESS:-10000}
        [FRAMES]=$([[ -n $DEMONSTRATION ]] && echo SAMEORIGIN || echo DENY)
        [FRAME_ANCESTORS]=$([[ -n $DEMONSTRATION ]] && echo self || echo none))
    while IFS= read -r line; do
        case $line in
        @UPSTREAMS@) upstreams ;;
        @ERRORS@) problem_locations ;;
        @TLS@) tls_settings ;;
        *@*@*)
            for key in "${!value[@]}"; do line=${line//@$key@/${value[$key]}}; done
            printf '%s\n' "$line"
            ;;
        *) printf '%s\n' "$line" ;;
        esac
    done
}

prepare_nginx() {
    local files connections work=$STATE_DIR/work/nginx
    need_number PARLEY_CONNECTIONS_PER_ADDRESS "${PARLEY_CONNECTIONS_PER_ADDRESS:-10000}" 1 1000000
    files=$(ulimit -n)
    if [[ ! $files =~ ^[0-9]+$ ]] || ((files > 131072)); then files=131072; fi
    connections=$((files - 64)) # a WebSocket takes two: its client and delivery
    make_private_folder "$work" 700
    make_private_folder "$work/temp" 700
    make_private_folder "$work/demonstration" 700
    [[ -n $DEMONSTRATION ]] || "${AS_SERVICE[@]}" rm -f -- "$work/demonstration/demonstration.json"
    link_into_work web "$WEB_DIR"
    link_into_work api "$API_DIR"
    link_into_work errors "$ERRORS_DIR"
    if [[ -n ${PARLEY_TLS_CERTIFICATE-} ]]; then
        link_into_work tls.pem "$(realpath -- "$PARLEY_TLS_CERTIFICATE")"
        link_into_work tls.key "$(realpath -- "$PARLEY_TLS_KEY")"
    fi
    fill_template "$files" "$connections" <"$DEPLOY_DIR/nginx.conf.in" >"$CONF_DIR/nginx.conf"
    chmod 640 -- "$CONF_DIR/nginx.conf"
    if [[ $EUID -eq 0 ]]; then chgrp -- "$SERVICE_USER" "$CONF_DIR/nginx.conf"; fi
}

link_into_work() { # name target
    "${AS_SERVICE[@]}" ln -sfn -- "$2" "$STATE_DIR/work/nginx/$1"
}
