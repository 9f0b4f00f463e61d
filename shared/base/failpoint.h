/* Failpoints: places where a test lets a daemon kill itself, as a crash would at the worst moment (docs/faults.md).
 *
 * Builds without PARLEY_CHAOS (release) have nothing of this. With it, a passage of FAILPOINT(name) looks for the file
 * <run_dir>/failpoints/<name>; when it is there, and the passages since it appeared are as many as the number in it, it is
 * renamed to <name>.hit, so that it happens once and leaves a proof, and the process ends by SIGKILL. Only the daemon that
 * the table names looks. In the loop's thread only. */
#ifndef PARLEY_BASE_FAILPOINT_H
#define PARLEY_BASE_FAILPOINT_H

#include <stdbool.h>

/* name, daemon, milliseconds that other threads get before the kill to send what they were given.
 * tests/chaos/failpoints.py says what each means, and is held against this table. */
#define FAILPOINTS(X)                                 \
    X(after_begin, "chat", 20)                        \
    X(during_commit, "chat", 0)                       \
    X(committed_not_answered, "chat", 0)              \
    X(answered_not_published, "chat", 20)             \
    X(event_in_hand, "delivery", 0)                   \
    X(published_not_parked, "delivery", 0)            \
    X(parked_cursor_not_advanced, "delivery", 0)      \
    X(frame_half_written, "delivery", 0)              \
    X(ack_received_not_trimmed, "delivery", 0)        \
    X(trimmed_watermark_not_written, "delivery", 20)  \
    X(membership_committed_not_in_log, "metadata", 0) \
    X(in_log_rest_not_answered, "metadata", 0)        \
    X(lock_taken_head_not_read, "chat", 0)            \
    X(lose_last_batch, "chat", 0) /* not a kill: see chat_feed_send */

#define FAILPOINT_ENUM(name, daemon, linger_ms) FAILPOINT_##name,
enum failpoint { FAILPOINTS(FAILPOINT_ENUM) FAILPOINT_COUNT };
#undef FAILPOINT_ENUM

#ifdef PARLEY_CHAOS
#define FAILPOINT(name)        failpoint_pass(FAILPOINT_##name)
#define FAILPOINT_IS_DUE(name) failpoint_is_due(FAILPOINT_##name)
#define FAILPOINT_KILL(name)   failpoint_kill(FAILPOINT_##name)

/* Until this is called nothing is due. The strings must live as long as the process. */
void failpoint_init(const char *run_dir, const char *daemon);
void failpoint_pass(enum failpoint point);
bool failpoint_is_due(enum failpoint point); /* true once; the caller does what is to be done */
void failpoint_kill(enum failpoint point);
/* What the tests have shifted the wall clock by: <run_dir>/failpoints/clock_offset_ms; 0 without the file. */
long long failpoint_clock_offset_ms(void);
#else
#define FAILPOINT(name)        ((void)0)
#define FAILPOINT_IS_DUE(name) false
#define FAILPOINT_KILL(name)   ((void)0)
#endif

#endif
