/* What the tests of typing and presence play around them: connections that take frames or take none, the answers to an op, and
 * other work that the loop has again and again. It defines functions of the daemon: for one file of a test. */
#ifndef PARLEY_TESTS_UNIT_LIVE_PLAYED_H
#define PARLEY_TESTS_UNIT_LIVE_PLAYED_H

#include <stdio.h>
#include <string.h>

#include "services/delivery/delivery_frames.h"
#include "services/delivery/delivery_ws.h"
#include "shared/net/loop.h"

static struct {
    char told[1024];
    bool is_full; /* connections take no more */
    size_t frames, frames_wanted;
    size_t frames_between, most_between; /* two times at which the others had their turn */
    struct loop_timer *others;
} played;

static void tell(const char *format, ...)
{
    va_list arguments;
    size_t length = strlen(played.told);
    va_start(arguments, format);
    vsnprintf(played.told + length, sizeof played.told - length, format, arguments);
    va_end(arguments);
}

/* All that was told since the last time. */
static void assert_was_told(const char *wanted)
{
    assert_string_equal(played.told, wanted);
    played.told[0] = '\0';
}

void delivery_ws_hold(struct connection *connection)
{
    connection->holds++;
}

void delivery_ws_let_go(struct delivery_ws *ws, struct connection *connection)
{
    (void)ws;
    connection->holds--;
}

bool delivery_ws_can_send(const struct connection *connection)
{
    (void)connection;
    return !played.is_full;
}

void delivery_frames_ok(struct connection *connection, struct text id)
{
    (void)connection;
    tell("ok %.*s;", TEXT_PRINT(id));
}

void delivery_frames_error(struct connection *connection, struct text id, enum problem problem,
                           const char *detail, int64_t retry_after_s)
{
    (void)connection, (void)detail, (void)retry_after_s;
    tell("error %.*s %s;", TEXT_PRINT(id), problem_info(problem)->code);
}

/* --- slices --- */

static void count_frame(void)
{
    played.frames++;
    if (++played.frames_between > played.most_between)
        played.most_between = played.frames_between;
}

static bool all_are_told(void)
{
    return played.frames >= played.frames_wanted;
}

static void on_others(void *context)
{
    (void)context;
    played.frames_between = 0;
    loop_timer_start(played.others, 0);
}

/* From now on frames are counted, until so many have come. */
static void begin_others(struct loop *loop, size_t frames_wanted)
{
    played.frames_wanted = frames_wanted;
    played.others = loop_timer_create(loop, on_others, NULL);
    loop_timer_start(played.others, 0);
}

#endif
