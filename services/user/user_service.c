/* Building the daemon's parts, taking them down in the order that lets every open question be answered, and the sweep
 * of expired sessions. */
#include "services/user/user_service.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "services/user/user_settings.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"

#define MAX_CATCH_UPS  256 /* outstanding at metadata; more answer unavailable */
#define SWEEP_SESSIONS 500 /* of one statement */

static void on_swept(void *context, enum problem problem, int64_t swept, int64_t head)
{
    struct user_service *service = context;
    service->sweeping = false;
    if (problem != PROBLEM_NONE || swept == 0)
        return;
    log_info("sessions_expired", LOG_NUMBER("count", swept));
    user_changes_note(service->changes, head);
}

static void on_sweep_time(void *context)
{
    struct user_service *service = context;
    if (service->sweeping)
        return;
    service->sweeping = true;
    user_store_sweep(service->store, SWEEP_SESSIONS, on_swept, service);
}

/* Tests make thousands of accounts, and need not take a minute of processor time for their passwords. */
static bool may_hash(char *message_out, int message_size)
{
    bool is_weak = user_settings.password_memory_kib < USER_PASSWORD_MEMORY_KIB;
    if (is_weak && strcmp(daemon_settings.environment, "production") == 0) {
        snprintf(message_out, (size_t)message_size,
                 "user.password_memory_kib is %" PRId64
                 ": passwords would be easily found in a stolen table; give at least %d",
                 user_settings.password_memory_kib, USER_PASSWORD_MEMORY_KIB);
        return false;
    }
    if (is_weak)
        log_warning("passwords_are_weakly_hashed",
                    LOG_NUMBER("memory_kib", user_settings.password_memory_kib));
    return true;
}

static struct user_passwords *make_passwords(struct loop *loop)
{
    struct user_passwords_options options = {
        .workers = (size_t)user_settings.password_workers,
        .max_jobs = (size_t)user_settings.password_queue,
        .memory_bytes = (size_t)user_settings.password_memory_kib * 1024,
        .passes = user_settings.password_passes,
        .deadline_ms = daemon_settings.request_deadline_ms,
    };
    return user_passwords_create(loop, &options);
}

static void make_parts(struct user_service *service, struct loop *loop, struct nng_bus *bus)
{
    service->store = user_store_create(loop);
    service->passwords = make_passwords(loop);
    service->login_limit =
        rate_limit_create(user_settings.login_attempts, user_settings.login_refill_ms,
                          (size_t)user_settings.login_accounts);
    service->usage = user_usage_create(loop, service->store, user_settings.usage_ms);
    service->tokens = user_tokens_create(loop, service->store, service->usage);
    service->metadata = rpc_client_create(bus, daemon_socket_url("metadata", "rpc"), MAX_CATCH_UPS);
    service->trim = user_trim_create(loop, service->store, user_settings.sweep_ms);
    service->sweep = loop_timer_create(loop, on_sweep_time, service);
    loop_timer_repeat(service->sweep, user_settings.sweep_ms);
}

bool user_service_start(struct daemon *daemon, void **service_out, char *message_out,
                        int message_size)
{
    if (!may_hash(message_out, message_size))
        return false;
    struct user_service *service = mem_zalloc(sizeof *service);
    struct loop *loop = daemon_loop(daemon);
    struct nng_bus *bus = daemon_bus(daemon);
    make_parts(service, loop, bus);
    service->changes = user_changes_create(
        loop, bus, service->store, daemon_socket_url("user", "pub"), message_out, message_size);
    if (service->changes == NULL)
        goto fail;
    service->rpc = user_rpc_create(bus, service, message_out, message_size);
    if (service->rpc == NULL)
        goto fail;
    service->http = user_http_create(loop, service, message_out, message_size);
    if (service->http == NULL)
        goto fail;
    *service_out = service;
    return true;
fail:
    user_service_stop(service);
    return false;
}

void user_service_report(void *service_, daemon_report report, void *report_context)
{
    struct user_service *service = service_;
    bool stored = user_store_is_ready(service->store);
    bool alive = user_passwords_is_alive(service->passwords);
    report(report_context, "postgres", stored,
           stored ? "ok" : user_store_last_error(service->store));
    report(report_context, "password_workers", alive, alive ? "ok" : "no hash for ten seconds");
}

void user_service_drain(void *service_)
{
    struct user_service *service = service_;
    loop_timer_stop(service->sweep);
    http_server_drain(service->http);
}

bool user_service_drained(void *service_)
{
    struct user_service *service = service_;
    return http_server_in_progress(service->http) == 0 &&
           rpc_server_in_progress(service->rpc) == 0 && user_store_in_flight(service->store) == 0;
}

/* Whoever holds open questions goes first and ends them, each as unavailable, while the servers that they came from are
 * still there to answer: hashing, metadata, then the store. */
void user_service_stop(void *service_)
{
    struct user_service *service = service_;
    user_passwords_destroy(&service->passwords);
    rpc_client_destroy(&service->metadata);
    user_tokens_stop(service->tokens);
    user_store_destroy(&service->store);
    user_tokens_destroy(&service->tokens);
    user_usage_destroy(&service->usage);
    user_changes_destroy(&service->changes);
    user_trim_destroy(&service->trim);
    rpc_server_destroy(&service->rpc);
    http_server_destroy(&service->http);
    loop_timer_destroy(&service->sweep);
    rate_limit_destroy(&service->login_limit);
    mem_free(service);
}
