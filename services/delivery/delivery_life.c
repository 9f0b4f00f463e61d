/* Draining: clients are told goodbye, page by page; what they have not acknowledged is parked; the cursors are made
 * durable. Then the process may end, and the next one has nothing to read again. */
#include "services/delivery/delivery_life.h"

#include "services/delivery/delivery_auth.h"
#include "services/delivery/delivery_boot.h"
#include "services/delivery/delivery_companions.h"
#include "services/delivery/delivery_contents.h"
#include "services/delivery/delivery_cursor.h"
#include "services/delivery/delivery_feed.h"
#include "services/delivery/delivery_flush.h"
#include "services/delivery/delivery_heads.h"
#include "services/delivery/delivery_inbox.h"
#include "services/delivery/delivery_park.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_poison.h"
#include "services/delivery/delivery_port.h"
#include "services/delivery/delivery_presence.h"
#include "services/delivery/delivery_receipts.h"
#include "services/delivery/delivery_recovery.h"
#include "services/delivery/delivery_revocation.h"
#include "services/delivery/delivery_roles.h"
#include "services/delivery/delivery_rosters.h"
#include "services/delivery/delivery_rpc.h"
#include "services/delivery/delivery_send.h"
#include "services/delivery/delivery_store.h"
#include "services/delivery/delivery_trace.h"
#include "services/delivery/delivery_typing.h"
#include "services/delivery/delivery_watch.h"
#include "services/delivery/delivery_ws.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"

#define MAX_OUTSTANDING 64
#define GOODBYE_MS      10 /* between two pages of goodbyes */
#define GOODBYE_PAGE    500
#define HURRY_MS        1000 /* for answers to sends that are on their way */
#define FORGO_MS        3000 /* without Redis: what is not parked will be read again */

struct draining {
    struct delivery_service *service;
    struct loop_timer *timer;
    int64_t since_ms;
};

static struct draining draining;

/* --- making --- */

/* What waited for a chat's members can go on. */
static void on_rosters_loaded(void *context)
{
    struct delivery_service *service = context;
    delivery_feed_pump(service->feed);
    delivery_recovery_pump(service->recovery);
}

static void make_parts(struct delivery_service *service)
{
    service->user =
        rpc_client_create(service->bus, daemon_socket_url("user", "rpc"), MAX_OUTSTANDING);
    service->chat =
        rpc_client_create(service->bus, daemon_socket_url("chat", "rpc"), MAX_OUTSTANDING);
    service->store = delivery_store_create(service->loop);
    service->people =
        delivery_people_create(&service->hub, (size_t)delivery_settings.max_cached_users);
    service->rosters = delivery_rosters_create(service, on_rosters_loaded, service);
    service->heads = delivery_heads_create(service);
    service->park = delivery_park_create(service, &service->hub);
    service->contents = delivery_contents_create(service);
    service->recovery = delivery_recovery_create(service);
    struct delivery_inbox_callbacks callbacks =
        delivery_recovery_inbox_callbacks(service->recovery);
    service->inbox = delivery_inbox_create(service, &callbacks);
    service->auth = delivery_auth_create(service);
    service->sends = delivery_sends_create(service);
    service->receipts = delivery_receipts_create(service);
    service->roles = delivery_roles_create(service);
    service->watch = delivery_watch_create((size_t)delivery_settings.max_watches);
    service->typing = delivery_typing_create(service);
    service->companions = delivery_companions_create(service);
    service->presence = delivery_presence_create(service);
    service->revocation = delivery_revocation_create(service);
    service->poison = delivery_poison_create(service);
    service->feed = delivery_feed_create(service);
    service->flush = delivery_flush_create(service);
    service->boot = delivery_boot_create(service);
    service->traces = delivery_traces_create(service);
}

bool delivery_life_start(struct daemon *daemon, void **service_out, char *message_out,
                         int message_size)
{
    struct delivery_service *service = mem_zalloc(sizeof *service);
    service->loop = daemon_loop(daemon);
    service->bus = daemon_bus(daemon);
    delivery_port_init(service);
    service->ws = delivery_ws_create(service, message_out, message_size);
    if (service->ws != NULL)
        service->rpc = delivery_rpc_create(service, message_out, message_size);
    if (service->rpc == NULL) {
        delivery_ws_destroy(&service->ws);
        mem_free(service);
        return false;
    }
    make_parts(service);
    *service_out = service;
    return true;
}

/* --- readiness --- */

void delivery_life_report(void *context, daemon_report report, void *report_context)
{
    struct delivery_service *service = context;
    bool postgres = delivery_store_is_connected(service->store);
    bool user = delivery_revocation_is_current(service->revocation);
    bool redis = delivery_recovery_is_up(service->recovery);
    bool chat = rpc_client_is_connected(service->chat) && delivery_boot_is_done(service->boot);
    const char *redis_detail = delivery_inbox_is_connected(service->inbox)
                                   ? delivery_recovery_state_name(service->recovery)
                                   : delivery_inbox_last_error(service->inbox);
    report(report_context, "postgres", postgres,
           postgres ? "" : delivery_store_last_error(service->store));
    report(report_context, "redis", redis, redis ? "" : redis_detail);
    report(report_context, "chat", chat, chat ? "" : "the feed has not begun");
    report(report_context, "user", user, user ? "" : "changes are not answered");
}

/* --- draining --- */

static void on_goodbye(void *context)
{
    struct draining *drain = context;
    bool hurry = clock_monotonic_ms() - drain->since_ms >= HURRY_MS;
    if (delivery_ws_say_goodbye(drain->service->ws, GOODBYE_PAGE, hurry) == 0) {
        delivery_flush_now(drain->service->flush);
        delivery_presence_flush(drain->service->presence);
    }
    loop_timer_start(drain->timer, GOODBYE_MS);
}

void delivery_life_drain(void *context)
{
    struct delivery_service *service = context;
    service->draining = true;
    delivery_ws_stop(service->ws);
    delivery_feed_stop(service->feed);
    draining = (struct draining){.service = service, .since_ms = clock_monotonic_ms()};
    draining.timer = loop_timer_create(service->loop, on_goodbye, &draining);
    loop_timer_start(draining.timer, 0);
}

bool delivery_life_drained(void *context)
{
    struct delivery_service *service = context;
    bool can_park = delivery_recovery_is_up(service->recovery) &&
                    clock_monotonic_ms() - draining.since_ms < FORGO_MS;
    if (delivery_ws_count(service->ws) > 0)
        return false;
    return !can_park ||
           (delivery_park_is_empty(service->park) && delivery_flush_is_level(service->flush) &&
            delivery_presence_is_written(service->presence));
}

/* --- the end --- */

/* Connections first, then whoever may still answer to parts, then the parts. */
void delivery_life_stop(void *context)
{
    struct delivery_service *service = context;
    loop_timer_destroy(&draining.timer);
    delivery_traces_stop(service->traces);
    delivery_ws_destroy_connections(service->ws);
    rpc_client_destroy(&service->chat);
    rpc_client_destroy(&service->user);
    delivery_inbox_destroy(&service->inbox);
    delivery_store_destroy(&service->store);
    delivery_traces_destroy(&service->traces);
    rpc_server_destroy(&service->rpc);
    delivery_boot_destroy(&service->boot);
    delivery_flush_destroy(&service->flush);
    delivery_feed_destroy(&service->feed);
    delivery_recovery_destroy(&service->recovery);
    delivery_poison_destroy(&service->poison);
    delivery_sends_destroy(&service->sends);
    delivery_receipts_destroy(&service->receipts);
    delivery_roles_destroy(&service->roles);
    delivery_typing_destroy(&service->typing);
    delivery_companions_destroy(&service->companions);
    delivery_presence_destroy(&service->presence);
    delivery_watch_destroy(&service->watch);
    delivery_auth_destroy(&service->auth);
    delivery_contents_destroy(&service->contents);
    delivery_park_destroy(&service->park);
    delivery_revocation_destroy(&service->revocation);
    delivery_heads_destroy(&service->heads);
    delivery_people_destroy(&service->people);
    delivery_rosters_destroy(&service->rosters);
    delivery_ws_destroy(&service->ws);
    delivery_cursor_destroy(&service->cursor);
    mem_free(service);
}
