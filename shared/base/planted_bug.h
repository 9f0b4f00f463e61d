/* Bugs that are planted to see whether the judge of `make chaos` finds them (tests/chaos/test_bugs.py). BUG(name) is the
 * constant false in builds without PARLEY_CHAOS (release); with it, true when the environment's PARLEY_BUG is the name.
 * tests/chaos/bugs.py says which invariants each must break, and is held against this table. */
#ifndef PARLEY_BASE_PLANTED_BUG_H
#define PARLEY_BASE_PLANTED_BUG_H

#include <stdbool.h>

#define PLANTED_BUGS(X)      \
    X(answer_before_commit)  \
    X(publish_before_commit) \
    X(no_dedupe)             \
    X(drop_batch)            \
    X(trim_by_count)         \
    X(stale_membership)      \
    X(cursor_ahead)          \
    X(seq_not_rolled_back)   \
    X(revocation_ignored)    \
    X(receipts_go_back)      \
    X(removed_may_write)     \
    X(stale_history)         \
    X(deleted_body_kept)

#define PLANTED_BUG_ENUM(name) PLANTED_BUG_##name,
enum planted_bug { PLANTED_BUGS(PLANTED_BUG_ENUM) PLANTED_BUG_COUNT };
#undef PLANTED_BUG_ENUM

#ifdef PARLEY_CHAOS
#define BUG(name) planted_bug_is(PLANTED_BUG_##name)
bool planted_bug_is(enum planted_bug bug);
#else
#define BUG(name) false
#endif

#endif
