/* Who types is kept by delivery_typists.c; here they are asked about, told of, and time passes. */
#include "services/delivery/delivery_typing.h"

#include <string.h>

#include "services/delivery/delivery_frames.h"
#include "services/delivery/delivery_live.h"
#include "services/delivery/delivery_roles.h"
#include "services/delivery/delivery_typists.h"
#include "services/delivery/delivery_watch.h"
#include "services/delivery/delivery_ws.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define SWEEP_MS 250

struct typing_question {
    struct delivery_typing *typing;
    struct connection *connection; /* held */
    int64_t chat_id;
    struct text id; /* data NULL: no `ok` is wanted */
    char bytes[];
};

struct delivery_typing {
    struct delivery_service *service;
    struct delivery_typists *typists;
    struct loop_timer *sweep;
    struct loop_timer *tell; /* runs: changes wait for company, or for the next slice */
    int64_t telling_chat;    /* whose watchers are being told of `changes` */
    struct typing_change changes[TYPISTS_CHANGES_MAX];
    size_t change_count; /* 0: nobody is */
};

static struct metric told_total = {.name = "parley_delivery_typing_frames_total",
                                   .labels = "",
                                   .help = "Frames that told that somebody types, or no more.",
                                   .kind = METRIC_COUNTER};

/* --- telling --- */

static void tell_connection(struct delivery_typing *typing, struct connection *connection)
{
    if (!device_is_ready(connection->device) || !delivery_ws_can_send(connection))
        return; /* who does not keep up misses what would be old when it came */
    for (size_t i = 0; i < typing->change_count; i++) {
        const struct typing_change *change = &typing->changes[i];
        if (change->user_id == connection->user_id)
            continue;
        delivery_frames_typing(connection, typing->telling_chat, change->user_id, change->on);
        metric_add(&told_total, 1);
    }
}

/* False: there is nothing more to tell. */
static bool take_next(struct delivery_typing *typing)
{
    while (delivery_typists_have_changes(typing->typists)) {
        typing->change_count = delivery_typists_take(typing->typists, clock_monotonic_ms(),
                                                     &typing->telling_chat, typing->changes);
        if (typing->change_count == 0)
            continue;
        delivery_watch_start_walk(typing->service->watch, typing->telling_chat);
        return true;
    }
    return false;
}

/* A slice. */
static void on_tell(void *context)
{
    struct delivery_typing *typing = context;
    size_t frames = 0;
    while (frames < LIVE_SLICE_FRAMES) {
        if (typing->change_count == 0 && !take_next(typing))
            return;
        struct connection *connection =
            delivery_watch_walk(typing->service->watch, typing->telling_chat);
        frames += connection == NULL ? 1 : typing->change_count;
        if (connection == NULL)
            typing->change_count = 0;
        else
            tell_connection(typing, connection);
    }
    loop_timer_start(typing->tell, LIVE_SLICE_MS);
}

/* After something that may have left changes. */
static void gather(struct delivery_typing *typing)
{
    if (delivery_typists_have_changes(typing->typists) && !loop_timer_is_running(typing->tell))
        loop_timer_start(typing->tell, delivery_settings.live_interval_ms);
    if (delivery_typists_count(typing->typists) > 0 && !loop_timer_is_running(typing->sweep))
        loop_timer_start(typing->sweep, SWEEP_MS);
}

static void on_sweep(void *context)
{
    struct delivery_typing *typing = context;
    delivery_typists_sweep(typing->typists, clock_monotonic_ms());
    gather(typing);
}

/* --- the op --- */

static void answer(struct connection *connection, struct text id, enum problem problem)
{
    const char *detail = problem == PROBLEM_FORBIDDEN ? "Readers do not write in this chat."
                         : problem == PROBLEM_UNAVAILABLE
                             ? "The log cannot be reached. Say it again."
                             : NULL;
    if (problem != PROBLEM_NONE)
        delivery_frames_error(connection, id, problem, detail, 0);
    else if (id.data != NULL)
        delivery_frames_ok(connection, id);
}

static enum problem problem_of(const struct chat_role_answer *role)
{
    if (role == NULL)
        return PROBLEM_UNAVAILABLE;
    return (enum problem)(role->problem != PROBLEM_NONE ? role->problem : role->writing);
}

static void on_role(void *context, const struct chat_role_answer *role)
{
    struct typing_question *question = context;
    struct delivery_typing *typing = question->typing;
    enum problem problem = problem_of(role);
    struct typist *typist =
        delivery_typists_find(typing->typists, question->chat_id, question->connection->user_id);
    if (typist != NULL && problem == PROBLEM_NONE)
        delivery_typists_allow(typing->typists, typist, clock_monotonic_ms());
    else if (typist != NULL)
        delivery_typists_deny(typing->typists, typist, clock_monotonic_ms());
    answer(question->connection, question->id, problem);
    gather(typing);
    delivery_ws_let_go(typing->service->ws, question->connection);
    mem_free(question);
}

static void ask(struct delivery_typing *typing, struct connection *connection, struct text id,
                int64_t chat_id)
{
    struct typing_question *question = mem_alloc(sizeof *question + id.length);
    *question = (struct typing_question){typing, connection, chat_id, TEXT_NONE};
    if (id.data != NULL) {
        memcpy(question->bytes, id.data, id.length);
        question->id = (struct text){question->bytes, id.length};
    }
    delivery_ws_hold(connection);
    if (!delivery_roles_ask(typing->service->roles, connection->user_id, &chat_id, 1, on_role,
                            question))
        on_role(question, NULL);
}

void delivery_typing_say(struct delivery_typing *typing, struct connection *connection,
                         struct text id, int64_t chat_id, bool on)
{
    int64_t now_ms = clock_monotonic_ms();
    if (!on) {
        delivery_typing_end(typing, chat_id, connection->user_id);
        answer(connection, id, PROBLEM_NONE);
        return;
    }
    struct typist *typist = delivery_typists_start(typing->typists, connection, chat_id, now_ms);
    if (typist == NULL)
        delivery_frames_error(connection, id, PROBLEM_UNAVAILABLE, "Too many users are typing.", 0);
    else if (delivery_typists_may(typing->typists, typist, now_ms))
        answer(connection, id, PROBLEM_NONE);
    else
        ask(typing, connection, id, chat_id);
    gather(typing);
}

/* --- what ends it --- */

void delivery_typing_end(struct delivery_typing *typing, int64_t chat_id, int64_t user_id)
{
    struct typist *typist = delivery_typists_count(typing->typists) == 0
                                ? NULL
                                : delivery_typists_find(typing->typists, chat_id, user_id);
    if (typist == NULL)
        return;
    delivery_typists_stop(typing->typists, typist, clock_monotonic_ms());
    gather(typing);
}

void delivery_typing_gone(struct delivery_typing *typing, struct connection *connection)
{
    if (connection->typists == NULL)
        return;
    delivery_typists_gone(typing->typists, connection, clock_monotonic_ms());
    gather(typing);
}

void delivery_typing_role_changed(struct delivery_typing *typing, int64_t chat_id, int64_t user_id)
{
    struct typist *typist = delivery_typists_find(typing->typists, chat_id, user_id);
    if (typist == NULL)
        return;
    delivery_typists_deny(typing->typists, typist, clock_monotonic_ms());
    gather(typing);
}

void delivery_typing_blocks_changed(struct delivery_typing *typing)
{
    delivery_typists_forget_rights(typing->typists);
}

/* --- life --- */

struct delivery_typing *delivery_typing_create(struct delivery_service *service)
{
    struct delivery_typing *typing = mem_zalloc(sizeof *typing);
    typing->service = service;
    typing->typists =
        delivery_typists_create((size_t)delivery_settings.max_typists, limits.typing_ms);
    typing->sweep = loop_timer_create(service->loop, on_sweep, typing);
    typing->tell = loop_timer_create(service->loop, on_tell, typing);
    metrics_register(&told_total);
    return typing;
}

void delivery_typing_destroy(struct delivery_typing **typing)
{
    if (*typing == NULL)
        return;
    loop_timer_destroy(&(*typing)->sweep);
    loop_timer_destroy(&(*typing)->tell);
    delivery_typists_destroy(&(*typing)->typists);
    mem_free(*typing);
    *typing = NULL;
}
