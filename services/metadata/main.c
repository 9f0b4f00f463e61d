/* parley-metadata: chats, members, roles, own settings. A table of contents; see README.md. */
#include "services/metadata/metadata_changes.h"
#include "services/metadata/metadata_http.h"
#include "services/metadata/metadata_outbox.h"
#include "services/metadata/metadata_rpc.h"
#include "services/metadata/metadata_settings.h"
#include "services/metadata/metadata_store.h"
#include "shared/base/mem.h"

#define MAX_OUTSTANDING       512
#define AUTHENTICATOR_ENTRIES 20000

/* First what answers us, so that everything that waits is told; then those who wait. */
static void stop(void *context)
{
    struct metadata_service *service = context;
    metadata_store_destroy(&service->store);
    rpc_client_destroy(&service->user);
    rpc_client_destroy(&service->chat);
    authenticator_destroy(&service->authenticator);
    metadata_changes_destroy(&service->changes);
    metadata_outbox_destroy(&service->outbox);
    http_server_destroy(&service->http);
    rpc_server_destroy(&service->rpc);
    mem_free(service);
}

static bool start(struct daemon *daemon, void **service_out, char *message_out, int message_size)
{
    struct metadata_service *service = mem_zalloc(sizeof *service);
    struct nng_bus *bus = daemon_bus(daemon);
    service->loop = daemon_loop(daemon);
    service->store = metadata_store_create(service->loop);
    service->user = rpc_client_create(bus, daemon_socket_url("user", "rpc"), MAX_OUTSTANDING);
    service->chat = rpc_client_create(bus, daemon_socket_url("chat", "rpc"), MAX_OUTSTANDING);
    service->authenticator = authenticator_create(
        service->loop, service->user, AUTHENTICATOR_ENTRIES, daemon_settings.rpc_deadline_ms);
    service->outbox = metadata_outbox_create(service);
    service->changes = metadata_changes_create(service);
    service->rpc = metadata_rpc_create(service, bus, message_out, message_size);
    service->http =
        service->rpc == NULL ? NULL : metadata_http_create(service, message_out, message_size);
    if (service->http == NULL) {
        stop(service);
        return false;
    }
    *service_out = service;
    return true;
}

static void report(void *context, daemon_report tell, void *report_context)
{
    struct metadata_service *service = context;
    tell(report_context, "postgres", metadata_store_is_ready(service->store),
         metadata_store_last_error(service->store));
    tell(report_context, "user", rpc_client_is_connected(service->user), "not connected");
    tell(report_context, "chat", rpc_client_is_connected(service->chat), "not connected");
}

static void drain(void *context)
{
    struct metadata_service *service = context;
    http_server_drain(service->http);
}

static bool drained(void *context)
{
    struct metadata_service *service = context;
    return http_server_in_progress(service->http) == 0 && rpc_server_in_progress(service->rpc) == 0;
}

int main(int argc, char **argv)
{
    struct daemon_service service = {.name = "metadata",
                                     .settings = metadata_settings_table,
                                     .start = start,
                                     .report = report,
                                     .drain = drain,
                                     .drained = drained,
                                     .stop = stop};
    return daemon_main(&service, argc, argv);
}
