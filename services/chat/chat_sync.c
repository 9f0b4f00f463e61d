/* POST /v1/sync: what a device lacks, over all chats of its user. Two statements whatever the number of chats: how far
 * each goes, and the events of those that have more than the device knows. */
#include <stdlib.h>

#include "services/chat/chat_handlers.h"
#include "services/chat/chat_read_store.h"
#include "shared/base/id.h"
#include "shared/base/json.h"

#define MAX_SEQ (((int64_t)1 << 53) - 1) /* what a JSON number holds exactly */

struct named_chat {
    int64_t chat_id, seq; /* the last that the device has */
    bool is_there;        /* the caller may still see something of it */
};

/* In the request's arena. */
struct sync {
    struct chat_service *service;
    struct http_request *request;
    struct named_chat *named; /* by id */
    size_t named_count;
    int64_t limit;
    struct chat_standing *standings;
    int64_t *after; /* beside standings: the last seq that the device has */
    size_t count;
};

/* --- the question --- */

static int compare_named(const void *a, const void *b)
{
    const struct named_chat *left = a, *right = b;
    return left->chat_id < right->chat_id ? -1 : left->chat_id > right->chat_id;
}

static void take_named(struct sync *sync, struct json_reader *chats)
{
    struct text key;
    size_t capacity = (size_t)limits.max_sync_chats;
    sync->named = arena_alloc(http_arena(sync->request), (capacity + 1) * sizeof *sync->named);
    for (const struct cJSON *value = NULL;
         (value = json_next_member(chats, value, &key)) != NULL;) {
        struct named_chat *chat = &sync->named[sync->named_count];
        if (sync->named_count == capacity)
            json_reader_fail(chats, NULL, "has too many chats");
        else if (!id_parse(key, &chat->chat_id))
            json_reader_fail(chats, NULL, "has a name that is not the id of a chat");
        else if (!json_whole_number(value, 0, MAX_SEQ, &chat->seq))
            json_reader_fail(chats, key.data, "must be a seq, which is a whole number");
        else
            sync->named_count++;
        if (chats->failed)
            return;
    }
    qsort(sync->named, sync->named_count, sizeof *sync->named, compare_named);
}

/* False: a mistake was answered. */
static bool read_body(struct sync *sync)
{
    struct json_reader reader = http_body(sync->request);
    struct json_reader chats = json_take_object(&reader, "chats", JSON_REQUIRED);
    take_named(sync, &chats);
    sync->limit = limits.default_page;
    if (json_has(&reader, "limit"))
        sync->limit = json_take_number(&reader, "limit", JSON_REQUIRED, 1, limits.max_page);
    return chats.failed ? http_body_finish(sync->request, &chats)
                        : http_body_finish(sync->request, &reader);
}

static struct named_chat *find_named(const struct sync *sync, int64_t chat_id)
{
    struct named_chat key = {.chat_id = chat_id};
    if (sync->named_count == 0)
        return NULL;
    return bsearch(&key, sync->named, sync->named_count, sizeof key, compare_named);
}

/* --- the answer --- */

static void fail(struct sync *sync, enum problem problem)
{
    if (problem == PROBLEM_UNAVAILABLE)
        http_fail_retry(sync->request, problem, "The log cannot be reached.", 1);
    else
        http_fail(sync->request, problem, NULL);
}

/* Writes one chat's part; *events_at walks over the events, which stand in the order of the standings. */
static void render_chat(struct buffer *out, const struct chat_standing *standing, int64_t after,
                        const struct chat_log_event *events, size_t count, size_t *events_at)
{
    int64_t reached = after;
    json_write_id(out, standing->chat_id);
    buffer_append_string(out, ":{\"events\":[");
    for (bool is_first = true;
         *events_at < count && events[*events_at].chat_id == standing->chat_id; (*events_at)++) {
        if (!is_first)
            buffer_append_string(out, ",");
        is_first = false;
        chat_render_event(out, &events[*events_at]);
        reached = events[*events_at].seq;
    }
    buffer_append_string(out, "],\"last_seq\":");
    buffer_append_number(out, standing->last_seq);
    buffer_append_string(out,
                         reached < standing->last_seq ? ",\"more\":true}" : ",\"more\":false}");
}

static void write_gone(struct buffer *out, int64_t chat_id, bool *is_first)
{
    if (!*is_first)
        buffer_append_string(out, ",");
    *is_first = false;
    json_write_id(out, chat_id);
}

/* Those that the caller has left, and those of which they may not know whether they exist. */
static void render_gone(struct buffer *out, const struct sync *sync)
{
    bool is_first = true;
    for (size_t i = 0; i < sync->count; i++) {
        if (!sync->standings[i].is_member)
            write_gone(out, sync->standings[i].chat_id, &is_first);
    }
    for (size_t i = 0; i < sync->named_count; i++) {
        if (!sync->named[i].is_there)
            write_gone(out, sync->named[i].chat_id, &is_first);
    }
}

static void reply(struct sync *sync, const struct chat_log_event *events, size_t count)
{
    struct buffer body = BUFFER_EMPTY;
    size_t events_at = 0;
    bool is_first = true;
    buffer_append_string(&body, "{\"chats\":{");
    for (size_t i = 0; i < sync->count; i++) {
        const struct chat_standing *standing = &sync->standings[i];
        if (!standing->is_member && sync->after[i] >= standing->last_seq)
            continue; /* left, and has all of it: only gone */
        if (!is_first)
            buffer_append_string(&body, ",");
        is_first = false;
        render_chat(&body, standing, sync->after[i], events, count, &events_at);
    }
    buffer_append_string(&body, "},\"gone\":[");
    render_gone(&body, sync);
    buffer_append_string(&body, "]}");
    http_reply_json(sync->request, 200, &body);
    buffer_deinit(&body);
}

static void on_events(void *context, enum problem problem, const struct chat_log_event *events,
                      size_t count)
{
    struct sync *sync = context;
    if (problem == PROBLEM_NONE)
        reply(sync, events, count);
    else
        fail(sync, problem);
}

/* Chats are served in turn until the answer is as large as it may be; the rest says `more`. */
static size_t choose(const struct sync *sync, struct chat_wanted *wanted)
{
    size_t count = 0;
    int64_t room = limits.max_sync_events;
    for (size_t i = 0; i < sync->count && room > 0; i++) {
        int64_t lacks = sync->standings[i].last_seq - sync->after[i];
        int64_t most = lacks < sync->limit ? lacks : sync->limit;
        if (most > room)
            most = room;
        if (most <= 0)
            continue;
        wanted[count++] = (struct chat_wanted){sync->standings[i].chat_id, sync->after[i], most};
        room -= most;
    }
    return count;
}

static void keep_standings(struct sync *sync, const struct chat_standing *standings, size_t count)
{
    struct arena *arena = http_arena(sync->request);
    sync->count = count;
    sync->standings = arena_alloc(arena, (count + 1) * sizeof *standings);
    sync->after = arena_alloc(arena, (count + 1) * sizeof *sync->after);
    for (size_t i = 0; i < count; i++) {
        struct named_chat *named = find_named(sync, standings[i].chat_id);
        sync->standings[i] = standings[i];
        sync->after[i] = named != NULL ? named->seq : 0;
        if (named != NULL)
            named->is_there = true;
    }
}

static void on_standings(void *context, enum problem problem, const struct chat_standing *standings,
                         size_t count)
{
    struct sync *sync = context;
    if (problem != PROBLEM_NONE) {
        fail(sync, problem);
        return;
    }
    keep_standings(sync, standings, count);
    struct chat_wanted *wanted =
        arena_alloc(http_arena(sync->request), (count + 1) * sizeof *wanted);
    size_t wanted_count = choose(sync, wanted);
    if (wanted_count == 0)
        reply(sync, NULL, 0);
    else
        chat_read_several(sync->service->read, http_identity(sync->request)->user_id, wanted,
                          wanted_count, on_events, sync);
}

void chat_sync_post(struct chat_service *service, struct http_request *request)
{
    struct sync *sync = arena_alloc(http_arena(request), sizeof *sync);
    sync->service = service;
    sync->request = request;
    if (!read_body(sync))
        return;
    int64_t *ids = arena_alloc(http_arena(request), (sync->named_count + 1) * sizeof *ids);
    for (size_t i = 0; i < sync->named_count; i++)
        ids[i] = sync->named[i].chat_id;
    chat_read_standings(service->read, http_identity(request)->user_id, ids, sync->named_count,
                        on_standings, sync);
}
