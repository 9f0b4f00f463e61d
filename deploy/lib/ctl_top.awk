# The screen of `parleyctl top`, or one JSON object, from two samples of lines `name value`.

NR == FNR { before[$1] = $2; next }
{ now[$1] = $2 }

function has(name) { return name in now }
function value(name) { return name in now ? now[name] + 0 : 0 }
function change(name) { return name in now && name in before && now[name] >= before[name] ? now[name] - before[name] : 0 }
function rate(name) { return seconds > 0 ? change(name) / seconds : 0 }

# The quantile of a histogram over the interval in milliseconds: the upper end of its bucket; -1: nothing was measured.
function quantile(histogram, part,    i, bound, total, sum, last) {
    total = change(histogram "_count")
    if (total <= 0)
        return -1
    for (i = 0; i < 64; i++) {
        bound = 0.000001 * smallest * 2 ^ i
        last = sprintf("%s_bucket{le=\"%.6f\"}", histogram, bound)
        if (!(last in now))
            return -1
        sum = change(last)
        if (sum >= part * total)
            return bound * 1000
    }
    return -1
}

# The smallest bucket's bound in microseconds, from the names that there are.
function find_smallest(histogram,    name, bound, least) {
    least = 0
    for (name in now)
        if (index(name, histogram "_bucket{le=\"") == 1 && name !~ /Inf/) {
            bound = substr(name, length(histogram "_bucket{le=\"") + 1) + 0
            if (least == 0 || bound < least)
                least = bound
        }
    return least * 1000000
}

function ms(number) { return number < 0 ? "-" : sprintf("%.2f", number) }
function ms_or_null(number) { return number < 0 ? "null" : sprintf("%.3f", number) }

# name in JSON, words for people, value, form; rows of a group come after head().
function put(name, words, figure, form,    text) {
    text = sprintf(form, figure)
    if (json)
        printf "%s\"%s\":%s", comma, name, text
    else
        printf "%s%-21s %12s", (column++ % 2 ? "    " : (column > 1 ? "\n  " : "  ")), words, text
    comma = ","
}
function put_ms(name, words, figure) {
    if (json) {
        printf "%s\"%s\":%s", comma, name, ms_or_null(figure)
        comma = ","
    } else
        put(name, words, ms(figure), "%s")
}
function put_flag(name, words, is_so) { put(name, words, is_so ? (json ? "true" : "yes") : (json ? "false" : "NO"), "%s") }
function head(name, words) {
    if (json)
        printf "%s\"%s\":{", comma_of_groups, name
    else
        printf "\n%s\n", words
    comma_of_groups = ","
    comma = ""
    column = 0
}
function foot() { printf json ? "}" : "\n" }

function print_service(name,    up, ready, cpu, memory, files) {
    up = has(name ":process_cpu_seconds_total")
    ready = value(name ":parley_ready")
    cpu = 100 * rate(name ":process_cpu_seconds_total")
    memory = value(name ":process_resident_memory_bytes") / 1048576
    files = value(name ":process_open_fds")
    if (json) {
        printf "%s{\"name\":\"%s\",\"up\":%s,\"ready\":%s,\"cpu_percent\":%.1f,\"memory_mib\":%.1f,\"open_files\":%d}", comma, name, \
            up ? "true" : "false", up && ready ? "true" : "false", cpu, memory, files
        comma = ","
    } else if (up)
        printf "  %-10s %-5s %8.1f %10.1f %8d\n", name, ready ? "yes" : "NO", cpu, memory, files
    else
        printf "  %-10s %-5s\n", name, "AWAY"
}

END {
    seconds = value("top:seconds") - before["top:seconds"]
    smallest = find_smallest("chat:parley_chat_commit_seconds")
    count = split(services, name, " ")
    if (json)
        printf "{\"at\":\"%s\",\"environment\":\"%s\",\"seconds\":%.2f,\"services\":[", at, environment, seconds
    else
        printf "parley  %s  %s  over %.1f s\n\n  %-10s %-5s %8s %10s %8s\n", at, environment, seconds, "SERVICE", "READY", \
            "CPU %", "MEM MiB", "FILES"
    for (i = 1; i <= count; i++)
        print_service(name[i])
    if (json)
        printf "]"
    comma_of_groups = ","

    head("messages", "Messages")
    put("stored_per_second", "stored/s", rate("chat:parley_chat_appended_total"), "%.1f")
    put("delivered_per_second", "delivered/s", rate("delivery:parley_delivery_delivered_total"), "%.1f")
    put("acknowledged_per_second", "acknowledged/s", rate("delivery:parley_delivery_acked_total"), "%.1f")
    put("parked_per_second", "parked/s", rate("delivery:parley_delivery_parked_total"), "%.1f")
    put("connections", "connections", value("delivery:parley_delivery_connections"), "%d")
    put("devices", "devices in memory", value("delivery:parley_delivery_devices"), "%d")
    put_ms("commit_p50_ms", "commit p50 ms", quantile("chat:parley_chat_commit_seconds", 0.5))
    put_ms("commit_p99_ms", "commit p99 ms", quantile("chat:parley_chat_commit_seconds", 0.99))
    put_ms("send_p50_ms", "send to ok p50 ms", quantile("delivery:parley_delivery_send_seconds", 0.5))
    put_ms("send_p99_ms", "send to ok p99 ms", quantile("delivery:parley_delivery_send_seconds", 0.99))
    foot()
    head("queues", "Queues")
    put("chat_events", "chat: to commit", value("chat:parley_chat_queue_events"), "%d")
    put("chat_receipts", "chat: receipts", value("chat:parley_chat_receipts_waiting"), "%d")
    put("delivery_sends", "delivery: sends", value("delivery:parley_delivery_sends_queued"), "%d")
    put("delivery_waiting", "delivery: unsent", value("delivery:parley_delivery_waiting_entries"), "%d")
    put("feed_lag", "feed not read", value("delivery:parley_delivery_feed_lag_events"), "%d")
    put("cursor_lag", "cursor behind", value("delivery:parley_delivery_cursor_behind_events"), "%d")
    put("metadata_chats", "metadata: changes", value("metadata:parley_metadata_outbox_chats"), "%d")
    put("user_passwords", "user: passwords", value("user:parley_user_password_jobs"), "%d")
    foot()
    head("postgres", "Postgres" (has("postgres:connections") ? "" : ": AWAY"))
    put_flag("up", "answers", has("postgres:connections"))
    put("connections", "connections", value("postgres:connections"), "%d")
    put("transactions_per_second", "transactions/s", rate("postgres:transactions"), "%.1f")
    put("longest_seconds", "longest query s", value("postgres:longest_seconds"), "%.3f")
    put("size_mib", "size MiB", value("postgres:bytes") / 1048576, "%.1f")
    put("read_per_second", "blocks from disk/s", rate("postgres:blocks_read"), "%.1f")
    put("poison", "poison", value("postgres:poison"), "%d")
    foot()
    head("redis", "Redis" (has("redis:used_memory") ? "" : ": AWAY"))
    put_flag("up", "answers", has("redis:used_memory"))
    put_flag("inboxes_up", "inboxes in use", value("delivery:parley_delivery_inboxes_state") == 5)
    put("keys", "keys", value("redis:keys"), "%d")
    put("memory_mib", "memory MiB", value("redis:used_memory") / 1048576, "%.1f")
    put("clients", "clients", value("redis:connected_clients"), "%d")
    put("commands_per_second", "commands/s", value("redis:instantaneous_ops_per_sec"), "%d")
    put("evicted", "evicted", value("redis:evicted_keys"), "%d")
    foot()
    if (json)
        printf "}\n"
}
