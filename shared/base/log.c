/* Log lines. Each is made in a buffer of its own and goes out by one write(2), so that lines of
 * several threads and of several daemons on one terminal or pipe do not mix. Safe from any thread.
 */
#include "shared/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/json.h"

#define MAX_VALUE_BYTES    1024 /* of one field: a peer's text must not fill the disk */
#define LIMITED_PER_SECOND 10
#define LIMITED_EVENTS     64

/* How often one event was written in its current second. Events are constants: the pointers live.
 */
struct limit {
    const char *event;
    int64_t second_start_ms;
    int written;
    int64_t suppressed;
};

static const char *log_service = "";
static enum log_level lowest_level = LOG_LEVEL_INFO;
static struct limit limits[LIMITED_EVENTS];
static pthread_mutex_t limits_lock = PTHREAD_MUTEX_INITIALIZER;

void log_init(const char *service, enum log_level level)
{
    log_service = service;
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    __atomic_store_n(&lowest_level, level, __ATOMIC_RELAXED);
}

static bool is_wanted(enum log_level level)
{
    return level >= __atomic_load_n(&lowest_level, __ATOMIC_RELAXED);
}

static void put_name(struct buffer *line, const char *name)
{
    buffer_append_string(line, ",\"");
    buffer_append_string(line, name);
    buffer_append_string(line, "\":");
}

static void put_text(struct buffer *line, struct text value)
{
    json_write_text_or_null(line, text_cut(value, MAX_VALUE_BYTES));
}

static void put_field(struct buffer *line, const struct log_field *field)
{
    put_name(line, field->name);
    switch (field->kind) {
    case LOG_FIELD_STRING:
        put_text(line, text_of(field->value.string));
        break;
    case LOG_FIELD_TEXT:
        put_text(line, field->value.text);
        break;
    case LOG_FIELD_NUMBER:
        buffer_append_number(line, field->value.number);
        break;
    case LOG_FIELD_ID:
        json_write_id(line, field->value.number);
        break;
    case LOG_FIELD_END:
        break;
    }
}

static void put_head(struct buffer *line, enum log_level level, const char *event)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    buffer_append_string(line, "{\"time\":");
    json_write_time(line, clock_wall_ms());
    put_name(line, "level");
    put_text(line, text_of(levels[level]));
    put_name(line, "service");
    put_text(line, text_of(log_service));
    put_name(line, "event");
    put_text(line, text_of(event));
}

/* A log that cannot be written is no reason to stop serving: what does not go out is lost. */
static void send_line(struct text line)
{
    while (write(STDERR_FILENO, line.data, line.length) < 0 && errno == EINTR)
        continue;
}

static void write_line(enum log_level level, const char *event, const struct log_field *fields,
                       int64_t suppressed)
{
    int saved_errno = errno; /* callers log before they look at it */
    struct buffer line = BUFFER_EMPTY;
    put_head(&line, level, event);
    for (; fields->kind != LOG_FIELD_END; fields++)
        put_field(&line, fields);
    if (suppressed > 0) {
        put_name(&line, "suppressed");
        buffer_append_number(&line, suppressed);
    }
    buffer_append_string(&line, "}\n");
    send_line(buffer_text(&line));
    buffer_deinit(&line);
    errno = saved_errno;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    if (is_wanted(level))
        write_line(level, event, fields, 0);
}

/* The event's own place, else the one that has been quiet for longest. */
static struct limit *find_limit(const char *event)
{
    struct limit *oldest = &limits[0];
    for (struct limit *limit = limits; limit < limits + LIMITED_EVENTS; limit++) {
        if (limit->event != NULL && strcmp(limit->event, event) == 0)
            return limit;
        if (oldest->event != NULL &&
            (limit->event == NULL || limit->second_start_ms < oldest->second_start_ms))
            oldest = limit;
    }
    *oldest = (struct limit){.event = event, .second_start_ms = clock_monotonic_ms()};
    return oldest;
}

/* True when the line may go out; then suppressed_out says how many did not since the last one. */
static bool pass_limit(const char *event, int64_t *suppressed_out)
{
    pthread_mutex_lock(&limits_lock);
    struct limit *limit = find_limit(event);
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - limit->second_start_ms >= 1000) {
        limit->second_start_ms = now_ms;
        limit->written = 0;
    }
    bool may = limit->written < LIMITED_PER_SECOND;
    if (may) {
        limit->written++;
        *suppressed_out = limit->suppressed;
        limit->suppressed = 0;
    } else {
        limit->suppressed++;
    }
    pthread_mutex_unlock(&limits_lock);
    return may;
}

void log_write_limited(enum log_level level, const char *event, const struct log_field *fields)
{
    int64_t suppressed;
    if (is_wanted(level) && pass_limit(event, &suppressed))
        write_line(level, event, fields, suppressed);
}
