/* A set lies in one block; its places are linked into the lists of their chats. */
#include "services/delivery/delivery_watch.h"

#include "services/delivery/delivery_hash.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

struct watched_chat {
    int64_t chat_id;
    struct delivery_watching *first;
    struct delivery_watching *walk; /* the next of a walk */
    size_t count;
    UT_hash_handle hh;
};

struct delivery_watch_set {
    size_t size, left; /* places; those that were not dropped */
    struct delivery_watching places[];
};

struct delivery_watch {
    struct watched_chat *chats;
    size_t count, max_watches;
};

static struct metric watches_gauge = {.name = "parley_delivery_watches",
                                      .labels = "",
                                      .help = "Chats that connections watch, all together.",
                                      .kind = METRIC_GAUGE};
static struct metric refused_total = {
    .name = "parley_delivery_watches_refused_total",
    .labels = "",
    .help = "Times that a connection could not watch more, for all together watch too much.",
    .kind = METRIC_COUNTER};

static struct watched_chat *find(const struct delivery_watch *watch, int64_t chat_id)
{
    struct watched_chat *chat;
    HASH_FIND(hh, watch->chats, &chat_id, sizeof chat_id, chat);
    return chat;
}

static struct watched_chat *find_or_make(struct delivery_watch *watch, int64_t chat_id)
{
    struct watched_chat *chat = find(watch, chat_id);
    if (chat != NULL)
        return chat;
    chat = mem_zalloc(sizeof *chat);
    chat->chat_id = chat_id;
    HASH_ADD(hh, watch->chats, chat_id, sizeof chat->chat_id, chat);
    return chat;
}

static void count_watches(struct delivery_watch *watch, size_t count)
{
    watch->count = count;
    metric_set(&watches_gauge, (int64_t)count);
}

/* In front: a walk that is under way does not meet it. */
static void add(struct delivery_watch *watch, struct delivery_watching *place,
                struct connection *connection, int64_t chat_id)
{
    struct watched_chat *chat = find_or_make(watch, chat_id);
    *place = (struct delivery_watching){
        .connection = connection, .next = chat->first, .link = &chat->first, .chat = chat};
    if (chat->first != NULL)
        chat->first->link = &place->next;
    chat->first = place;
    chat->count++;
}

static void drop_place(struct delivery_watch *watch, struct delivery_watching *place)
{
    struct watched_chat *chat = place->chat;
    if (chat->walk == place)
        chat->walk = place->next;
    *place->link = place->next;
    if (place->next != NULL)
        place->next->link = place->link;
    place->chat = NULL;
    if (--chat->count > 0)
        return;
    HASH_DEL(watch->chats, chat);
    mem_free(chat);
}

bool delivery_watch_replace(struct delivery_watch *watch, struct connection *connection,
                            const int64_t *chats, size_t count)
{
    const struct delivery_watch_set *former = connection->watches;
    size_t others = watch->count - (former == NULL ? 0 : former->left);
    if (others + count > watch->max_watches) {
        metric_add(&refused_total, 1);
        return false;
    }
    delivery_watch_drop(watch, connection);
    if (count == 0)
        return true;
    struct delivery_watch_set *set = mem_alloc(sizeof *set + count * sizeof *set->places);
    set->size = set->left = count;
    for (size_t i = 0; i < count; i++)
        add(watch, &set->places[i], connection, chats[i]);
    connection->watches = set;
    count_watches(watch, watch->count + count);
    return true;
}

static struct delivery_watching *place_of(const struct connection *connection, int64_t chat_id)
{
    struct delivery_watch_set *set = connection->watches;
    for (size_t i = 0; set != NULL && i < set->size; i++)
        if (set->places[i].chat != NULL && set->places[i].chat->chat_id == chat_id)
            return &set->places[i];
    return NULL;
}

void delivery_watch_drop_chat(struct delivery_watch *watch, struct connection *connection,
                              int64_t chat_id)
{
    struct delivery_watching *place = place_of(connection, chat_id);
    if (place == NULL)
        return;
    drop_place(watch, place);
    count_watches(watch, watch->count - 1);
    if (--connection->watches->left == 0)
        delivery_watch_drop(watch, connection);
}

void delivery_watch_drop(struct delivery_watch *watch, struct connection *connection)
{
    struct delivery_watch_set *set = connection->watches;
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->size; i++)
        if (set->places[i].chat != NULL)
            drop_place(watch, &set->places[i]);
    count_watches(watch, watch->count - set->left);
    mem_free(set);
    connection->watches = NULL;
}

bool delivery_watch_has(const struct connection *connection, int64_t chat_id)
{
    return place_of(connection, chat_id) != NULL;
}

size_t delivery_watch_count(const struct delivery_watch *watch, int64_t chat_id)
{
    const struct watched_chat *chat = find(watch, chat_id);
    return chat == NULL ? 0 : chat->count;
}

const struct delivery_watching *delivery_watch_first(const struct delivery_watch *watch,
                                                     int64_t chat_id)
{
    const struct watched_chat *chat = find(watch, chat_id);
    return chat == NULL ? NULL : chat->first;
}

void delivery_watch_start_walk(struct delivery_watch *watch, int64_t chat_id)
{
    struct watched_chat *chat = find(watch, chat_id);
    if (chat != NULL)
        chat->walk = chat->first;
}

struct connection *delivery_watch_walk(struct delivery_watch *watch, int64_t chat_id)
{
    struct watched_chat *chat = find(watch, chat_id);
    struct delivery_watching *place = chat == NULL ? NULL : chat->walk;
    if (place == NULL)
        return NULL;
    chat->walk = place->next;
    return place->connection;
}

struct delivery_watch *delivery_watch_create(size_t max_watches)
{
    struct delivery_watch *watch = mem_zalloc(sizeof *watch);
    watch->max_watches = max_watches;
    metrics_register(&watches_gauge);
    metrics_register(&refused_total);
    return watch;
}

void delivery_watch_destroy(struct delivery_watch **watch)
{
    if (*watch == NULL)
        return;
    struct watched_chat *chat, *next;
    HASH_ITER (hh, (*watch)->chats, chat, next) {
        HASH_DEL((*watch)->chats, chat);
        mem_free(chat);
    }
    mem_free(*watch);
    *watch = NULL;
}
