#include "shared/net/loop.h"

#include <event2/event.h>
#include <stdlib.h>

#include "shared/base/mem.h"

/* Event priorities of libevent would do for "the end of the turn", were it not that they starve: as long as some
 * descriptor is ready at every poll, the lower priority never runs. So the loop turns by hand, and what was deferred runs
 * after every turn. */
struct loop {
    struct event_base *base;
    struct loop_deferred *first,
        **last;                   /* requested for the end of this turn, in the order of requests */
    struct loop_deferred *ending; /* those whose turn has ended and that have not run yet */
    bool stopping;
};

struct loop_timer {
    struct event *event;
    loop_callback on_expire;
    void *context;
    int64_t period_ms; /* 0: once */
};

struct loop_deferred {
    struct loop *loop;
    loop_callback on_turn_end;
    void *context;
    bool requested;
    struct loop_deferred *next;
};

struct loop *loop_create(void)
{
    struct loop *loop = mem_zalloc(sizeof *loop);
    struct event_config *config = event_config_new();
    /* A second look at the clock per turn is cheap and keeps short timers honest. */
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    if (loop->base == NULL)
        abort();
    loop->last = &loop->first;
    return loop;
}

void loop_destroy(struct loop **loop)
{
    if (*loop == NULL)
        return;
    event_base_free((*loop)->base);
    mem_free(*loop);
    *loop = NULL;
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

/* What is requested meanwhile belongs to the next turn. */
static void end_turn(struct loop *loop)
{
    loop->ending = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    while (loop->ending != NULL) {
        struct loop_deferred *deferred = loop->ending;
        loop->ending = deferred->next;
        deferred->next = NULL;
        deferred->requested = false;
        deferred->on_turn_end(deferred->context);
    }
}

void loop_run(struct loop *loop)
{
    loop->stopping = false;
    while (!loop->stopping) {
        event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY |
                                        (loop->first != NULL ? EVLOOP_NONBLOCK : 0));
        end_turn(loop);
    }
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
    event_base_loopbreak(loop->base);
}

/* --- timers --- */

static struct timeval timeval_of(int64_t delay_ms)
{
    return (struct timeval){.tv_sec = delay_ms / 1000, .tv_usec = (delay_ms % 1000) * 1000};
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct loop_timer *timer = context;
    if (timer->period_ms > 0) {
        struct timeval period = timeval_of(timer->period_ms);
        evtimer_add(timer->event, &period);
    }
    timer->on_expire(timer->context);
}

struct loop_timer *loop_timer_create(struct loop *loop, loop_callback on_expire, void *context)
{
    struct loop_timer *timer = mem_zalloc(sizeof *timer);
    timer->on_expire = on_expire;
    timer->context = context;
    timer->event = evtimer_new(loop->base, on_timer, timer);
    return timer;
}

static void arm(struct loop_timer *timer, int64_t delay_ms, int64_t period_ms)
{
    struct timeval delay = timeval_of(delay_ms < 0 ? 0 : delay_ms);
    timer->period_ms = period_ms;
    evtimer_add(timer->event, &delay);
}

void loop_timer_start(struct loop_timer *timer, int64_t delay_ms)
{
    arm(timer, delay_ms, 0);
}

void loop_timer_repeat(struct loop_timer *timer, int64_t period_ms)
{
    arm(timer, period_ms, period_ms);
}

void loop_timer_stop(struct loop_timer *timer)
{
    timer->period_ms = 0;
    evtimer_del(timer->event);
}

bool loop_timer_is_running(const struct loop_timer *timer)
{
    return evtimer_pending(timer->event, NULL) != 0;
}

void loop_timer_destroy(struct loop_timer **timer)
{
    if (*timer == NULL)
        return;
    event_free((*timer)->event);
    mem_free(*timer);
    *timer = NULL;
}

/* --- the end of a turn --- */

struct loop_deferred *loop_deferred_create(struct loop *loop, loop_callback on_turn_end,
                                           void *context)
{
    struct loop_deferred *deferred = mem_zalloc(sizeof *deferred);
    *deferred =
        (struct loop_deferred){.loop = loop, .on_turn_end = on_turn_end, .context = context};
    return deferred;
}

void loop_deferred_request(struct loop_deferred *deferred)
{
    if (deferred->requested)
        return;
    deferred->requested = true;
    *deferred->loop->last = deferred;
    deferred->loop->last = &deferred->next;
}

static bool unlink_from(struct loop_deferred **link, struct loop_deferred *deferred)
{
    while (*link != NULL && *link != deferred)
        link = &(*link)->next;
    if (*link == NULL)
        return false;
    *link = deferred->next;
    if (deferred->loop->last == &deferred->next)
        deferred->loop->last = link;
    return true;
}

void loop_deferred_destroy(struct loop_deferred **deferred)
{
    if (*deferred == NULL)
        return;
    if ((*deferred)->requested && !unlink_from(&(*deferred)->loop->first, *deferred))
        unlink_from(&(*deferred)->loop->ending, *deferred);
    mem_free(*deferred);
    *deferred = NULL;
}
