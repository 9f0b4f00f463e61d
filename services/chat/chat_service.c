/* The parts of the daemon, how they hang together, and in which order they end. */
#include "services/chat/chat_service.h"

#include "services/chat/chat_feed.h"
#include "services/chat/chat_handlers.h"
#include "services/chat/chat_index.h"
#include "services/chat/chat_lane.h"
#include "services/chat/chat_lease.h"
#include "services/chat/chat_read_store.h"
#include "services/chat/chat_receipts.h"
#include "services/chat/chat_searches.h"
#include "services/chat/chat_settings.h"
#include "services/chat/chat_store.h"
#include "shared/base/mem.h"
#include "shared/base/rate_limit.h"

#define MAX_OUTSTANDING       64
#define AUTHENTICATOR_ENTRIES 20000

/* --- the lane's ports --- */

static bool is_connected(void *context)
{
    const struct chat_service *service = context;
    return chat_store_is_connected(service->store) && chat_lease_is_connected(service->lease);
}

static void load(void *context, const int64_t *chats, size_t count, chat_on_loaded on_loaded,
                 void *loaded_context)
{
    struct chat_service *service = context;
    chat_read_load(service->read, chats, count, on_loaded, loaded_context);
}

static void look_up(void *context, const struct chat_keys *keys, chat_on_known on_known,
                    void *known_context)
{
    struct chat_service *service = context;
    chat_store_look_up(service->store, keys, on_known, known_context);
}

static void commit(void *context, const struct chat_batch *batch, chat_on_commit on_commit,
                   void *commit_context)
{
    struct chat_service *service = context;
    chat_store_commit(service->store, batch, on_commit, commit_context);
}

static void renew(void *context)
{
    struct chat_service *service = context;
    chat_lease_renew(service->lease);
}

static void prepare_news(void *context, const struct chat_batch *batch)
{
    struct chat_service *service = context;
    chat_feed_prepare(service->feed, batch);
}

static void send_news(void *context)
{
    struct chat_service *service = context;
    chat_feed_send(service->feed);
}

static struct chat_lane *create_lane(struct chat_service *service)
{
    struct chat_lane_ports ports = {.context = service,
                                    .is_connected = is_connected,
                                    .load = load,
                                    .look_up = look_up,
                                    .commit = commit,
                                    .renew = renew,
                                    .prepare_news = prepare_news,
                                    .send_news = send_news};
    struct chat_lane_options options = {
        .batch = {.max_events = (size_t)chat_settings.max_batch_events,
                  .max_bytes = (size_t)chat_settings.max_batch_bytes,
                  .max_edits = limits.max_edits,
                  .max_reactions = limits.max_reactions,
                  .max_emojis = limits.max_emojis},
        .max_queue_events = (size_t)chat_settings.max_queue_events,
        .max_queue_bytes = (size_t)chat_settings.max_queue_bytes,
        .max_cached_chats = (size_t)chat_settings.max_cached_chats,
        .max_cached_members = (size_t)chat_settings.max_cached_members,
        .patience_ms = chat_settings.recovery_patience_ms,
        .careful_ms = chat_settings.careful_ms,
    };
    return chat_lane_create(service->loop, &service->partitions, &options, &ports);
}

/* --- what the parts tell each other --- */

static void on_lease_taken(void *context)
{
    struct chat_service *service = context;
    chat_lane_lease_taken(service->lane);
}

static void on_lease_lost(void *context)
{
    struct chat_service *service = context;
    chat_lane_lease_lost(service->lane);
}

static void on_receipts_moved(void *context, const struct chat_receipt *moved, size_t count)
{
    struct chat_service *service = context;
    chat_feed_publish_receipts(service->feed, moved, count);
}

/* --- life --- */

/* Connections first, and the lane only after all that may still answer it; whoever was not answered by then is answered
 * by the lane; the servers last, because those answers go through them. */
void chat_service_stop(void *context)
{
    struct chat_service *service = context;
    chat_store_destroy(&service->store);
    chat_read_store_destroy(&service->read);
    chat_searches_destroy(&service->searches);
    chat_index_destroy(&service->index);
    chat_lease_destroy(&service->lease);
    chat_receipts_destroy(&service->receipts);
    chat_lane_destroy(&service->lane);
    chat_feed_destroy(&service->feed);
    http_server_destroy(&service->http);
    rpc_server_destroy(&service->rpc);
    authenticator_destroy(&service->authenticator);
    rpc_client_destroy(&service->user);
    rpc_client_destroy(&service->delivery);
    rate_limit_destroy(&service->search_limit);
    mem_free(service);
}

static void create_parts(struct chat_service *service, struct nng_bus *bus)
{
    struct chat_lease_callbacks callbacks = {service, on_lease_taken, on_lease_lost};
    service->store = chat_store_create(service->loop);
    service->read = chat_read_store_create(service->loop, &service->partitions);
    service->lane = create_lane(service);
    service->lease = chat_lease_create(service->loop, &service->partitions, &callbacks);
    service->receipts =
        chat_receipts_create(service->loop, &service->partitions, on_receipts_moved, service);
    service->index = chat_index_create(service->loop, &service->partitions);
    service->searches = chat_searches_create(service->loop, &service->partitions);
    service->search_limit =
        rate_limit_create(limits.searches_burst, 1000 / limits.searches_per_second,
                          (size_t)chat_settings.max_searchers);
    service->user = rpc_client_create(bus, daemon_socket_url("user", "rpc"), MAX_OUTSTANDING);
    service->delivery =
        rpc_client_create(bus, daemon_socket_url("delivery", "rpc"), MAX_OUTSTANDING);
    service->authenticator = authenticator_create(
        service->loop, service->user, AUTHENTICATOR_ENTRIES, daemon_settings.rpc_deadline_ms);
}

bool chat_service_start(struct daemon *daemon, void **service_out, char *message_out,
                        int message_size)
{
    struct chat_service *service = mem_zalloc(sizeof *service);
    struct nng_bus *bus = daemon_bus(daemon);
    service->loop = daemon_loop(daemon);
    create_parts(service, bus);
    service->feed =
        chat_feed_create(service->loop, bus, &service->partitions, message_out, message_size);
    if (service->feed != NULL)
        service->rpc = chat_rpc_create(service, bus, message_out, message_size);
    if (service->rpc != NULL)
        service->http = chat_http_create(service, message_out, message_size);
    if (service->http == NULL) {
        chat_service_stop(service);
        return false;
    }
    *service_out = service;
    return true;
}

void chat_service_report(void *context, daemon_report report, void *report_context)
{
    const struct chat_service *service = context;
    bool holds_all = service->partitions.count > 0 &&
                     chat_lease_held(service->lease) == service->partitions.count;
    report(report_context, "postgres", chat_store_is_connected(service->store),
           chat_store_last_error(service->store));
    report(report_context, "postgres_read", chat_read_store_is_connected(service->read),
           chat_read_store_last_error(service->read));
    report(report_context, "postgres_receipts", chat_receipts_is_connected(service->receipts),
           chat_receipts_last_error(service->receipts));
    report(report_context, "postgres_search", chat_searches_is_connected(service->searches),
           chat_searches_last_error(service->searches));
    report(report_context, "postgres_index", chat_index_is_connected(service->index),
           chat_index_last_error(service->index));
    report(report_context, "partitions", holds_all, chat_lease_last_error(service->lease));
    report(report_context, "user", rpc_client_is_connected(service->user), "not connected");
}

void chat_service_drain(void *context)
{
    struct chat_service *service = context;
    chat_lane_drain(service->lane);
    http_server_drain(service->http);
}

bool chat_service_drained(void *context)
{
    const struct chat_service *service = context;
    return chat_lane_is_empty(service->lane) && chat_receipts_is_empty(service->receipts) &&
           http_server_in_progress(service->http) == 0 && rpc_server_in_progress(service->rpc) == 0;
}
