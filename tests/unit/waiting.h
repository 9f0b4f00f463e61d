/* A loop, a folder of its own, and waiting for something to become true: for the tests of what lives in the loop. */
#ifndef PARLEY_TESTS_UNIT_WAITING_H
#define PARLEY_TESTS_UNIT_WAITING_H

#include <sys/types.h>

#include "shared/net/loop.h"

#define WAITING_PATH_BYTES 100

/* One loop and one new folder under /tmp, with a short name (a socket's path has 107 bytes). */
struct loop *waiting_start(void);
void waiting_stop(void); /* destroys the loop, removes the folder and what lies in it */
const char *waiting_folder(void);
/* "<folder>/<name>" after a prefix such as "ipc://"; kept until the next four calls. */
const char *waiting_path(const char *prefix, const char *name);

/* Runs the loop until the condition holds; the test fails when it does not within ten seconds. */
void wait_until(bool (*condition)(void));
/* As wait_until, but tells. */
bool wait_at_most(bool (*condition)(void), int64_t deadline_ms);
void wait_ms(int64_t duration_ms);

/* Starts this test's own executable anew with these arguments (NULL-terminated). nng does not survive a fork. */
pid_t start_self(const char *const *arguments);
void kill_and_reap(pid_t *pid); /* kill -9; sets it to 0; 0 is left alone */

#endif
