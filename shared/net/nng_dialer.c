/* Dialing for the life of a socket. nng reconnects by itself, but its dialer has the weakness of its listener (see
 * nng_listener.c): when the peer dies between the connection and our first byte, it takes that for its own end and never
 * dials again. nng counts such ends under "other", so while there is no connection that number is watched, and a dialer
 * that has ended is made anew. */
#include <stdatomic.h>
#include <stdlib.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/net/nng_bus_internal.h"

#define RECONNECT_MIN_MS 20
#define RECONNECT_MAX_MS 200
#define WATCH_MS         500

struct nng_patient_dialer {
    nng_socket socket;
    nng_dialer dialer;
    char *url;
    size_t max_bytes;
    /* The pipe's id times two, and one when it is usable; 0: none. A dialer has one pipe at a time, but nng tells that
     * it came and that it went on two threads, in any order, and of one that was turned away only that it went. */
    atomic_uint_fast64_t pipe;
    struct nng_completion news;
    loop_callback on_connected;
    void *context;
    struct loop_timer *watch;
};

static struct metric redials_total = {.name = "parley_bus_redials_total",
                                      .help = "Dialers that had died silently and were made anew.",
                                      .kind = METRIC_COUNTER};

bool nng_patient_dialer_is_connected(const struct nng_patient_dialer *patient)
{
    return (atomic_load(&patient->pipe) & 1) != 0;
}

/* The three run on nng's threads. */

static uint_fast64_t pipe_mark(nng_pipe pipe, bool usable)
{
    return (uint_fast64_t)nng_pipe_id(pipe) * 2 + (usable ? 1 : 0);
}

static void on_pipe_coming(nng_pipe pipe, nng_pipe_ev event, void *context)
{
    struct nng_patient_dialer *patient = context;
    NNG_TAKES(patient);
    if (!nng_turn_strangers_away(pipe, event))
        atomic_store(&patient->pipe, pipe_mark(pipe, false));
    NNG_GIVES(patient);
}

static void on_pipe_came(nng_pipe pipe, nng_pipe_ev event, void *context)
{
    struct nng_patient_dialer *patient = context;
    uint_fast64_t coming = pipe_mark(pipe, false);
    (void)event;
    NNG_TAKES(patient);
    if (atomic_compare_exchange_strong(&patient->pipe, &coming, pipe_mark(pipe, true)))
        nng_completion_tell(&patient->news);
    NNG_GIVES(patient);
}

static void on_pipe_went(nng_pipe pipe, nng_pipe_ev event, void *context)
{
    struct nng_patient_dialer *patient = context;
    uint_fast64_t coming = pipe_mark(pipe, false), usable = pipe_mark(pipe, true);
    (void)event;
    NNG_TAKES(patient);
    if (!atomic_compare_exchange_strong(&patient->pipe, &usable, 0))
        atomic_compare_exchange_strong(&patient->pipe, &coming, 0);
    NNG_GIVES(patient);
}

static void on_news(void *context)
{
    struct nng_patient_dialer *patient = context;
    patient->on_connected(patient->context);
}

/* Only a malformed URL or a lack of memory fails here: our bug, and nothing that waiting would mend. */
static void dial(struct nng_patient_dialer *patient)
{
    if (nng_dialer_create(&patient->dialer, patient->socket, patient->url) != 0)
        abort();
    nng_dialer_set_ms(patient->dialer, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    nng_dialer_set_ms(patient->dialer, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
    nng_dialer_set_size(patient->dialer, NNG_OPT_RECVMAXSZ, patient->max_bytes);
    if (nng_dialer_start(patient->dialer, NNG_FLAG_NONBLOCK) != 0)
        abort();
}

static bool has_ended(const struct nng_patient_dialer *patient)
{
    nng_stat *all, *ours, *other;
    if (nng_stats_get(&all) != 0)
        return false;
    ours = nng_stat_find_dialer(all, patient->dialer);
    other = ours == NULL ? NULL : nng_stat_find(ours, "other");
    bool ended = other != NULL && nng_stat_value(other) > 0;
    nng_stats_free(all);
    return ended;
}

static void on_watch(void *context)
{
    struct nng_patient_dialer *patient = context;
    if (atomic_load(&patient->pipe) != 0 || !has_ended(patient))
        return;
    nng_dialer_close(patient->dialer);
    dial(patient);
    metric_add(&redials_total, 1);
    log_warning("dialer_made_anew", LOG_STRING("url", patient->url));
}

struct nng_patient_dialer *nng_patient_dialer_create(struct nng_bus *bus, nng_socket socket,
                                                     const char *url, size_t max_bytes,
                                                     loop_callback on_connected, void *context)
{
    struct nng_patient_dialer *patient = mem_zalloc(sizeof *patient);
    patient->socket = socket;
    patient->url = mem_string(url);
    patient->max_bytes = max_bytes;
    patient->on_connected = on_connected;
    patient->context = context;
    patient->news = (struct nng_completion){.bus = bus, .on_done = on_news, .context = patient};
    patient->watch = loop_timer_create(nng_bus_loop(bus), on_watch, patient);
    metrics_register(&redials_total);
    NNG_GIVES(patient);
    NNG_GIVES(&patient->news);
    nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, on_pipe_coming, patient);
    nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, on_pipe_came, patient);
    nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, on_pipe_went, patient);
    dial(patient);
    loop_timer_repeat(patient->watch, WATCH_MS);
    return patient;
}

void nng_patient_dialer_destroy(struct nng_patient_dialer **patient)
{
    if (*patient == NULL)
        return;
    NNG_TAKES(*patient);
    nng_completion_cancel(&(*patient)->news);
    loop_timer_destroy(&(*patient)->watch);
    mem_free((*patient)->url);
    mem_free(*patient);
    *patient = NULL;
}
