#include "shared/base/failpoint.h"

#ifdef PARLEY_CHAOS

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES    256
#define CLOCK_LOOK_NS 10000000 /* how old the clock's offset may be */
#define NS_PER_S      1000000000LL

static const struct {
    const char *name, *daemon;
    int linger_ms;
} points[FAILPOINT_COUNT] = {
#define POINT(name_, daemon_, linger_ms_) {#name_, daemon_, linger_ms_},
    FAILPOINTS(POINT)
#undef POINT
};

static const char *folder; /* the run_dir; NULL: nothing is due */
static const char *our_daemon;
static long passages[FAILPOINT_COUNT]; /* since the file appeared */

void failpoint_init(const char *run_dir, const char *daemon)
{
    folder = run_dir;
    our_daemon = daemon;
}

/* False when the file is not there. */
static bool read_number(const char *name, long long *number_out)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/failpoints/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fscanf(file, "%lld", number_out) != 1)
        *number_out = 1;
    fclose(file);
    return true;
}

static void mark_hit(const char *name)
{
    char path[PATH_BYTES], hit[PATH_BYTES];
    snprintf(path, sizeof path, "%s/failpoints/%s", folder, name);
    snprintf(hit, sizeof hit, "%s/failpoints/%s.hit", folder, name);
    rename(path, hit);
}

bool failpoint_is_due(enum failpoint point)
{
    long long wanted;
    if (folder == NULL || strcmp(points[point].daemon, our_daemon) != 0)
        return false;
    if (!read_number(points[point].name, &wanted)) {
        passages[point] = 0;
        return false;
    }
    if (++passages[point] < wanted)
        return false;
    passages[point] = 0;
    mark_hit(points[point].name);
    return true;
}

void failpoint_kill(enum failpoint point)
{
    poll(NULL, 0, points[point].linger_ms);
    kill(getpid(), SIGKILL);
    for (;;)
        pause(); /* the signal is on its way */
}

void failpoint_pass(enum failpoint point)
{
    if (failpoint_is_due(point))
        failpoint_kill(point);
}

long long failpoint_clock_offset_ms(void)
{
    static long long offset_ms, looked_ns;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long long now_ns = now.tv_sec * NS_PER_S + now.tv_nsec;
    if (folder == NULL || now_ns - looked_ns < CLOCK_LOOK_NS)
        return offset_ms;
    looked_ns = now_ns;
    if (!read_number("clock_offset_ms", &offset_ms))
        offset_ms = 0;
    return offset_ms;
}

#endif
