/* The skeleton of a daemon: arguments, settings, log, signals, operations listener, readiness, draining stop.
 * A service's main.c is a table of contents:
 *
 *     int main(int argc, char **argv)
 *     {
 *         static const struct daemon_service service = {.name = "chat", .tables = …, .start = chat_start, …};
 *         return daemon_main(&service, argc, argv);
 *     }
 *
 * Arguments: --help (every setting with default and bounds), --check (reads the settings, prints them, exits), --config
 * FILE, --version. Exit status 0 after a drained stop, 64 for bad usage or settings (sysexits.h, EX_USAGE), 69 when the
 * environment is broken at start (EX_UNAVAILABLE), with one line that says how to mend it.
 *
 * SIGTERM and SIGINT: /readyz answers 503, service->drain is called; when service->drained says so, or after
 * drain_deadline_ms, the loop ends and service->stop frees everything. SIGPIPE is ignored. SIGUSR1 toggles debug logs.
 * A dependency that is missing at start is no reason to exit: the daemon says what lacks in its log and in /readyz,
 * once, and waits for it. */
#ifndef PARLEY_DAEMON_DAEMON_H
#define PARLEY_DAEMON_DAEMON_H

#include "shared/base/buffer.h"
#include "shared/base/settings.h"
#include "shared/net/loop.h"

/* The settings that every daemon has. */
struct daemon_settings {
    const char *run_dir;     /* sockets */
    const char *environment; /* "development" or "production" */
    const char *log_level;
    const char *postgres;      /* base conninfo or URI */
    const char *postgres_user; /* "" means parley_<service> */
    const char *postgres_password_file;
    const char *redis; /* socket path or host:port */
    int64_t drain_deadline_ms;
    int64_t request_deadline_ms; /* REST: arrival to answer */
    int64_t rpc_deadline_ms;     /* one internal request */
    int64_t statement_timeout_ms;
    int64_t max_header_bytes;
    int64_t max_requests; /* REST requests in progress */
    int64_t idle_timeout_ms;
};

/* What clients can meet, the same for all daemons; GET /v1/limits answers these. See shared/daemon/limits.c. */
struct limits {
    int64_t max_body_bytes;           /* of a REST body: 65536 */
    int64_t max_text_bytes;           /* of body.text: 16384 */
    int64_t max_client_id_bytes;      /* 128 */
    int64_t max_mentions;             /* 100 */
    int64_t max_attachments;          /* 10 */
    int64_t max_edits;                /* of one message: 1000 */
    int64_t max_emoji_bytes;          /* of a reaction: 64 */
    int64_t max_emojis;               /* of one message: 50 */
    int64_t max_reactions;            /* to one message: 1000 */
    int64_t default_page;             /* 50 */
    int64_t max_page;                 /* 200 */
    int64_t max_members;              /* of a group: 1000 */
    int64_t max_channel_members;      /* of a channel: 100000 */
    int64_t pushed_members;           /* chats with more are pulled: 1000 */
    int64_t max_chats_per_user;       /* 2000 */
    int64_t max_devices_per_user;     /* 32 */
    int64_t max_blocks_per_user;      /* 1000 */
    int64_t max_frame_bytes;          /* WebSocket message: 65536 */
    int64_t max_op_id_bytes;          /* 64 */
    int64_t window_events;            /* unacknowledged at once: 64 */
    int64_t auth_deadline_ms;         /* 5000 */
    int64_t heartbeat_ms;             /* 30000 */
    int64_t max_inbox_events;         /* per device: 100000 */
    int64_t max_inbox_days;           /* without an acknowledgement: 30 */
    int64_t max_sync_chats;           /* named in one sync: 2000 */
    int64_t max_sync_events;          /* in one answer: 1000 */
    int64_t max_search_bytes;         /* of the words of a search: 256 */
    int64_t max_search_words;         /* 16 */
    int64_t searches_per_second;      /* per user, sustained: 5 */
    int64_t searches_burst;           /* 20 */
    int64_t sends_per_second;         /* per device, sustained: 200 */
    int64_t sends_burst;              /* 400 */
    int64_t max_sends_in_flight;      /* per connection: 256 */
    int64_t max_connections_per_user; /* 32 */
    int64_t max_watched_chats;        /* of one connection: 50 */
    int64_t max_followed_users;       /* of one connection: 200 */
    int64_t typing_ms;                /* after which typing ends by itself: 5000 */
    int64_t live_ops_per_second;      /* watch, typing, presence, per connection, sustained: 10 */
    int64_t live_ops_burst;           /* 50 */
};

extern struct daemon_settings daemon_settings;
extern struct limits limits;
extern const struct settings_table limits_settings_table; /* keys "limits.…" */
void limits_render(struct buffer *out);                   /* the JSON object of GET /v1/limits */

struct daemon;

/* A dependency as /readyz shows it: {"ready":true,"dependencies":{"postgres":"ok","redis":"connecting: …"}} */
typedef void (*daemon_report)(void *report_context, const char *dependency, bool ok,
                              const char *detail);

struct daemon_service {
    const char *name;               /* "chat" */
    struct settings_table settings; /* its own table; count may be 0 */
    /* Makes everything. False: message says what is wrong and how to mend it; exit 69. */
    bool (*start)(struct daemon *daemon, void **service_out, char *message_out, int message_size);
    /* Tells every dependency's state; readiness is that all are ok. */
    void (*report)(void *service, daemon_report report, void *report_context);
    void (*drain)(void *service); /* stop taking work; finish what is there */
    bool (*drained)(void *service);
    void (*stop)(void *service); /* free everything */
};

int daemon_main(const struct daemon_service *service, int argc, char **argv);
struct loop *daemon_loop(struct daemon *daemon);
struct nng_bus *daemon_bus(struct daemon *daemon);
/* "<run_dir>/chat.rpc"; ipc:// URLs for the bus. The strings live as long as the process. */
const char *daemon_socket_path(const char *service, const char *suffix);
const char *daemon_socket_url(const char *service, const char *suffix);

#endif
