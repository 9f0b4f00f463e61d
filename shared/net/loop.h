/* The loop: one libevent base a process, timers, and work deferred to the end of the turn.
 *
 * "End of the turn" is where batching happens: handlers of one turn put items on a queue and ask for a flush; the flush
 * runs once, after every handler that was ready has run. */
#ifndef PARLEY_NET_LOOP_H
#define PARLEY_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct loop;
struct loop_timer;
struct loop_deferred;

typedef void (*loop_callback)(void *context);

struct loop *loop_create(void);
void loop_destroy(struct loop **loop);
struct event_base *loop_base(struct loop *loop);
void loop_run(struct loop *loop);  /* until loop_stop */
void loop_stop(struct loop *loop); /* after the current turn */

/* Timers start stopped. Nothing is freed inside its own callback. */
struct loop_timer *loop_timer_create(struct loop *loop, loop_callback on_expire, void *context);
void loop_timer_start(struct loop_timer *timer, int64_t delay_ms); /* again moves the deadline */
void loop_timer_repeat(struct loop_timer *timer, int64_t period_ms);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_is_running(const struct loop_timer *timer);
void loop_timer_destroy(struct loop_timer **timer);

struct loop_deferred *loop_deferred_create(struct loop *loop, loop_callback on_turn_end,
                                           void *context);
void loop_deferred_request(struct loop_deferred *deferred); /* again in the same turn is free */
void loop_deferred_destroy(struct loop_deferred **deferred);

#endif
