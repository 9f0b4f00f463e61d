/* The process: memory, descriptors, processor time. Read when asked for, in the loop: nothing here
 * may be slow with fifty thousand connections. */
#include "shared/base/metrics_process.h"

#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define POLLED_AT_ONCE 1024

static void render(struct buffer *out, const char *name, const char *kind, const char *help)
{
    buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n%s ", name, help, name, kind, name);
}

static void render_number(struct buffer *out, int64_t number)
{
    buffer_append_number(out, number);
    buffer_append_string(out, "\n");
}

/* proc(5): the second number of statm is the resident set, in pages. */
static int64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long total_pages = 0, resident_pages = 0;
    if (file == NULL || fscanf(file, "%ld %ld", &total_pages, &resident_pages) != 2)
        resident_pages = 0;
    if (file != NULL)
        fclose(file);
    return (int64_t)resident_pages * sysconf(_SC_PAGESIZE);
}

/* proc(5): FDSize is the size of the descriptor table: no descriptor is above it. */
static int descriptor_bound(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    int bound = 0;
    while (file != NULL && bound == 0 && fgets(line, sizeof line, file) != NULL)
        (void)sscanf(line, "FDSize: %d", &bound);
    if (file != NULL)
        fclose(file);
    return bound;
}

/* How many of the descriptors from `first` on are open: poll(2) marks the others POLLNVAL. */
static int count_open(int first, int count)
{
    struct pollfd polled[POLLED_AT_ONCE];
    for (int i = 0; i < count; i++)
        polled[i] = (struct pollfd){.fd = first + i};
    if (poll(polled, (nfds_t)count, 0) < 0)
        return 0;
    int open_count = 0;
    for (int i = 0; i < count; i++)
        open_count += (polled[i].revents & POLLNVAL) == 0 ? 1 : 0;
    return open_count;
}

/* Not by listing /proc/self/fd: that makes a directory entry for each, which takes tens of
 * milliseconds for fifty thousand; this takes one or two. */
static int64_t open_descriptors(int64_t max_descriptors)
{
    int chunk = max_descriptors < POLLED_AT_ONCE ? (int)max_descriptors : POLLED_AT_ONCE;
    int bound = descriptor_bound(), open_count = 0;
    for (int first = 0; first < bound && chunk > 0; first += chunk)
        open_count += count_open(first, bound - first < chunk ? bound - first : chunk);
    return open_count;
}

static void render_descriptors(struct buffer *out)
{
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    int64_t most = limit.rlim_cur > INT32_MAX ? INT32_MAX : (int64_t)limit.rlim_cur;
    render(out, "process_open_fds", "gauge", "Open file descriptors.");
    render_number(out, open_descriptors(most));
    render(out, "process_max_fds", "gauge", "File descriptors that may be open at once.");
    render_number(out, most);
}

static void render_processor_time(struct buffer *out)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    int64_t microseconds = (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    render(out, "process_cpu_seconds_total", "counter", "Processor time used, in seconds.");
    buffer_append_format(out, "%lld.%06lld\n", (long long)(microseconds / 1000000),
                         (long long)(microseconds % 1000000));
}

void metrics_process_render(struct buffer *out)
{
    render(out, "process_resident_memory_bytes", "gauge", "Resident memory, in bytes.");
    render_number(out, resident_bytes());
    render_descriptors(out);
    render_processor_time(out);
}
