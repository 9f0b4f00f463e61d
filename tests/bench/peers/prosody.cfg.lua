-- Prosody as its manual advises for speed: epoll, accounts, archive and offline store in Postgres, no TLS on the same
-- machine, no limits, nothing loaded that the work does not use. words after a dollar sign are filled in.
daemonize = false
run_as_root = false
pidfile = "$folder/prosody.pid"
data_path = "$folder"
log = { error = "$folder/prosody.log" }
network_backend = "epoll"
gc = { mode = "generational" }

modules_enabled = { "saslauth"; "roster"; "websocket"; "mam"; "offline"; "disco" }
modules_disabled = { "s2s"; "tls"; "limits" }
c2s_ports = {}
http_ports = { $port }
http_interfaces = { "127.0.0.1" }
https_ports = {}
http_paths = { websocket = "/ws" }
consider_websocket_secure = true

authentication = "internal_plain"
allow_unencrypted_plain_auth = true
storage = "sql"
sql = { driver = "PostgreSQL"; database = "prosody"; username = "parley_admin"; host = "$host"; port = $sql_port }
sql_manage_tables = true
default_archive_policy = true
archive_cleanup_interval = 86400

VirtualHost "localhost"

Component "conference.localhost" "muc"
    modules_enabled = { "muc_mam" }
    muc_room_locking = false
    muc_room_default_history_length = 0
    muc_room_default_persistent = true
    muc_log_all_rooms = true
