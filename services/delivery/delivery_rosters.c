/* Rosters by chat, loaded in batches: the chats that are missed in one turn of the loop are asked for together. */
#include "services/delivery/delivery_rosters.h"

#include "services/delivery/delivery_event.h"
#include "services/delivery/delivery_hash.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define ASK_MAX       256 /* chats in one request, as chat_members_request allows */
#define IN_FLIGHT_MAX 4
#define RETRY_MS      200

enum entry_state { ENTRY_WANTED, ENTRY_ASKED, ENTRY_LOADED };

struct roster_entry {
    struct delivery_roster roster; /* its key is roster.chat_id */
    enum entry_state state;
    int64_t wanted_seq;
    struct roster_entry *next_wanted;
    struct roster_entry *newer, *older; /* loaded ones */
    UT_hash_handle hh;
};

struct delivery_rosters {
    struct delivery_service *service;
    delivery_rosters_loaded on_loaded;
    void *context;
    struct roster_entry *entries;
    struct roster_entry *wanted;
    struct roster_entry *newest, *oldest;
    struct loop_deferred *flush;
    struct loop_timer *retry;
    size_t span_count;
    uint64_t load_count;
    int in_flight;
};

struct roster_ask {
    struct delivery_rosters *rosters;
    size_t count;
    struct chat_roster_ask chats[ASK_MAX];
};

static struct metric rosters_gauge = {.name = "parley_delivery_rosters",
                                      .labels = "",
                                      .help = "Chats whose members are remembered.",
                                      .kind = METRIC_GAUGE};
static struct metric spans_gauge = {.name = "parley_delivery_roster_spans",
                                    .labels = "",
                                    .help = "Memberships that are remembered.",
                                    .kind = METRIC_GAUGE};
static struct metric loads_total = {.name = "parley_delivery_roster_loads_total",
                                    .labels = "",
                                    .help = "Chats whose members were asked for.",
                                    .kind = METRIC_COUNTER};

/* --- the order of use --- */

static void unlink_entry(struct delivery_rosters *rosters, struct roster_entry *entry)
{
    *(entry->newer != NULL ? &entry->newer->older : &rosters->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &rosters->oldest) = entry->newer;
}

static void link_newest(struct delivery_rosters *rosters, struct roster_entry *entry)
{
    entry->newer = NULL;
    entry->older = rosters->newest;
    *(rosters->newest != NULL ? &rosters->newest->newer : &rosters->oldest) = entry;
    rosters->newest = entry;
}

static void drop_spans(struct delivery_rosters *rosters, struct roster_entry *entry)
{
    rosters->span_count -= entry->roster.span_count;
    delivery_roster_clear(&entry->roster);
}

static void make_room(struct delivery_rosters *rosters)
{
    while (rosters->span_count > (size_t)delivery_settings.max_cached_spans &&
           rosters->oldest != rosters->newest) {
        struct roster_entry *entry = rosters->oldest;
        unlink_entry(rosters, entry);
        drop_spans(rosters, entry);
        HASH_DEL(rosters->entries, entry);
        mem_free(entry);
    }
    metric_set(&spans_gauge, (int64_t)rosters->span_count);
    metric_set(&rosters_gauge, (int64_t)HASH_COUNT(rosters->entries));
}

/* --- loading --- */

static void want(struct delivery_rosters *rosters, struct roster_entry *entry)
{
    entry->state = ENTRY_WANTED;
    entry->next_wanted = rosters->wanted;
    rosters->wanted = entry;
}

static void take_roster(struct delivery_rosters *rosters, const struct chat_roster *source,
                        int64_t from_seq)
{
    struct roster_entry *entry;
    HASH_FIND(hh, rosters->entries, &source->chat_id, sizeof source->chat_id, entry);
    if (entry == NULL || entry->state != ENTRY_ASKED)
        return;
    delivery_roster_fill(&entry->roster, source->spans, source->spans_count, from_seq,
                         source->as_of_seq);
    entry->roster.load_number = ++rosters->load_count;
    rosters->span_count += source->spans_count;
    entry->state = ENTRY_LOADED;
    link_newest(rosters, entry);
}

/* An empty answer: the first chat has no members that we could know of, and its events must not hold up the others. */
static void take_missing(struct delivery_rosters *rosters, const struct roster_ask *ask, size_t i)
{
    struct roster_entry *entry;
    HASH_FIND(hh, rosters->entries, &ask->chats[i].chat_id, sizeof ask->chats[i].chat_id, entry);
    if (entry == NULL || entry->state != ENTRY_ASKED)
        return;
    log_error("roster_missing", LOG_ID("chat", ask->chats[i].chat_id));
    struct chat_roster none = {.chat_id = ask->chats[i].chat_id, .as_of_seq = entry->wanted_seq};
    take_roster(rosters, &none, ask->chats[i].from_seq);
}

static int64_t asked_from(const struct roster_ask *ask, int64_t chat_id)
{
    for (size_t i = 0; i < ask->count; i++)
        if (ask->chats[i].chat_id == chat_id)
            return ask->chats[i].from_seq;
    return INT64_MAX;
}

static void ask_again(struct delivery_rosters *rosters, const struct roster_ask *ask, size_t from)
{
    for (size_t i = from; i < ask->count; i++) {
        struct roster_entry *entry;
        HASH_FIND(hh, rosters->entries, &ask->chats[i].chat_id, sizeof ask->chats[i].chat_id,
                  entry);
        if (entry != NULL && entry->state == ENTRY_ASKED)
            want(rosters, entry);
    }
}

static void on_members(void *context, const struct rpc_result *result)
{
    struct roster_ask *ask = context;
    struct delivery_rosters *rosters = ask->rosters;
    rosters->in_flight--;
    if (result->outcome != RPC_OK) {
        ask_again(rosters, ask, 0);
        loop_timer_start(rosters->retry, RETRY_MS);
    } else {
        const struct chat_members_reply *reply = result->reply;
        for (size_t i = 0; i < reply->rosters_count; i++)
            take_roster(rosters, &reply->rosters[i], asked_from(ask, reply->rosters[i].chat_id));
        if (reply->rosters_count == 0)
            take_missing(rosters, ask, 0);
        ask_again(rosters, ask, reply->rosters_count); /* one answer has room for so many */
        make_room(rosters);
        rosters->on_loaded(rosters->context);
        loop_deferred_request(rosters->flush);
    }
    mem_free(ask);
}

static void on_flush(void *context)
{
    struct delivery_rosters *rosters = context;
    while (rosters->wanted != NULL && rosters->in_flight < IN_FLIGHT_MAX) {
        struct roster_ask *ask = mem_alloc(sizeof *ask);
        ask->rosters = rosters;
        ask->count = 0;
        while (rosters->wanted != NULL && ask->count < ASK_MAX) {
            struct roster_entry *entry = rosters->wanted;
            rosters->wanted = entry->next_wanted;
            entry->state = ENTRY_ASKED;
            ask->chats[ask->count++] =
                (struct chat_roster_ask){entry->roster.chat_id, entry->wanted_seq};
        }
        metric_add(&loads_total, (int64_t)ask->count);
        rosters->in_flight++;
        struct chat_members_request request = {.chats = ask->chats, .chats_count = ask->count};
        chat_client_members(rosters->service->chat, &request, daemon_settings.rpc_deadline_ms,
                            on_members, ask);
    }
}

static struct roster_entry *entry_of(struct delivery_rosters *rosters, int64_t chat_id, int64_t seq)
{
    struct roster_entry *entry;
    HASH_FIND(hh, rosters->entries, &chat_id, sizeof chat_id, entry);
    if (entry != NULL)
        return entry;
    entry = mem_zalloc(sizeof *entry);
    entry->roster.chat_id = chat_id;
    entry->wanted_seq = seq;
    HASH_ADD(hh, rosters->entries, roster.chat_id, sizeof entry->roster.chat_id, entry);
    want(rosters, entry);
    loop_deferred_request(rosters->flush);
    return entry;
}

struct delivery_roster *delivery_rosters_find(struct delivery_rosters *rosters, int64_t chat_id,
                                              int64_t seq)
{
    struct roster_entry *entry = entry_of(rosters, chat_id, seq);
    if (seq < entry->wanted_seq)
        entry->wanted_seq = seq; /* what is on its way will be too young, and is asked for again */
    if (entry->state != ENTRY_LOADED)
        return NULL;
    if (seq < entry->roster.from_seq) {
        unlink_entry(rosters, entry);
        drop_spans(rosters, entry);
        want(rosters, entry);
        loop_deferred_request(rosters->flush);
        return NULL;
    }
    if (rosters->newest != entry) {
        unlink_entry(rosters, entry);
        link_newest(rosters, entry);
    }
    return &entry->roster;
}

struct delivery_roster *delivery_rosters_peek(struct delivery_rosters *rosters, int64_t chat_id)
{
    struct roster_entry *entry;
    HASH_FIND(hh, rosters->entries, &chat_id, sizeof chat_id, entry);
    return entry != NULL && entry->state == ENTRY_LOADED ? &entry->roster : NULL;
}

/* --- keeping current --- */

void delivery_rosters_apply(struct delivery_rosters *rosters, const struct delivery_event *event)
{
    struct roster_entry *entry;
    int64_t chat_id = event->ref.chat_id, seq = event->ref.seq;
    HASH_FIND(hh, rosters->entries, &chat_id, sizeof chat_id, entry);
    if (entry == NULL || entry->state != ENTRY_LOADED || seq <= entry->roster.as_of_seq)
        return;
    rosters->span_count -= entry->roster.span_count;
    delivery_roster_apply(&entry->roster, event->type, event->subject_id, seq);
    rosters->span_count += entry->roster.span_count;
    entry->wanted_seq = entry->roster.from_seq;
}

struct delivery_rosters *delivery_rosters_create(struct delivery_service *service,
                                                 delivery_rosters_loaded on_loaded, void *context)
{
    struct delivery_rosters *rosters = mem_zalloc(sizeof *rosters);
    rosters->service = service;
    rosters->on_loaded = on_loaded;
    rosters->context = context;
    rosters->flush = loop_deferred_create(service->loop, on_flush, rosters);
    rosters->retry = loop_timer_create(service->loop, on_flush, rosters);
    metrics_register(&rosters_gauge);
    metrics_register(&spans_gauge);
    metrics_register(&loads_total);
    return rosters;
}

void delivery_rosters_destroy(struct delivery_rosters **rosters)
{
    if (*rosters == NULL)
        return;
    struct roster_entry *entry, *next;
    HASH_ITER (hh, (*rosters)->entries, entry, next) {
        HASH_DEL((*rosters)->entries, entry);
        delivery_roster_clear(&entry->roster);
        mem_free(entry);
    }
    loop_deferred_destroy(&(*rosters)->flush);
    loop_timer_destroy(&(*rosters)->retry);
    mem_free(*rosters);
    *rosters = NULL;
}
