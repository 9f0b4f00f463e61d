/* Both queues are in the order of due_ms without sorting, for all of one queue wait equally long. */
#include "services/delivery/delivery_typists.h"

#include "shared/base/mem.h"
#include "shared/base/metrics.h"

struct typing_chat {
    int64_t chat_id;
    size_t told;            /* typists that are is_told */
    struct typist *changed; /* the oldest change first */
    struct typist **changed_end;
    struct typing_chat *next_changed; /* chats with changes */
    UT_hash_handle hh;
};

struct queue {
    struct typist *first, **end;
};

struct delivery_typists {
    struct typist *typists;
    struct typing_chat *chats;
    struct queue typing, resting;
    struct typing_chat *changed, **changed_end;
    size_t max_typists;
    int64_t typing_ms;
    uint32_t right_era; /* rights of an earlier one are not believed */
};

static struct metric typists_gauge = {.name = "parley_delivery_typists",
                                      .labels = "",
                                      .help = "Users in chats who type, or did a moment ago.",
                                      .kind = METRIC_GAUGE};
static struct metric dropped_total = {.name = "parley_delivery_typists_dropped_total",
                                      .labels = "",
                                      .help = "Times that typing was not told for want of room.",
                                      .kind = METRIC_COUNTER};

/* --- queues --- */

static void enqueue(struct queue *queue, struct typist *typist)
{
    typist->next = NULL;
    typist->link = queue->end;
    *queue->end = typist;
    queue->end = &typist->next;
}

static void dequeue(struct queue *queue, struct typist *typist)
{
    *typist->link = typist->next;
    if (typist->next != NULL)
        typist->next->link = typist->link;
    else
        queue->end = typist->link;
}

static void leave_connection(struct typist *typist)
{
    if (typist->connection == NULL)
        return;
    *typist->connection_link = typist->next_of_connection;
    if (typist->next_of_connection != NULL)
        typist->next_of_connection->connection_link = typist->connection_link;
    typist->connection = NULL;
}

static void join_connection(struct typist *typist, struct connection *connection)
{
    leave_connection(typist);
    typist->connection = connection;
    typist->next_of_connection = connection->typists;
    typist->connection_link = &connection->typists;
    if (connection->typists != NULL)
        connection->typists->connection_link = &typist->next_of_connection;
    connection->typists = typist;
}

/* --- what is to be told --- */

static struct typing_chat *find_or_make_chat(struct delivery_typists *typists, int64_t chat_id)
{
    struct typing_chat *chat;
    HASH_FIND(hh, typists->chats, &chat_id, sizeof chat_id, chat);
    if (chat != NULL)
        return chat;
    chat = mem_zalloc(sizeof *chat);
    chat->chat_id = chat_id;
    chat->changed_end = &chat->changed;
    HASH_ADD(hh, typists->chats, chat_id, sizeof chat->chat_id, chat);
    return chat;
}

static void queue_chat(struct delivery_typists *typists, struct typing_chat *chat)
{
    chat->next_changed = NULL;
    *typists->changed_end = chat;
    typists->changed_end = &chat->next_changed;
}

static void mark_changed(struct delivery_typists *typists, struct typist *typist)
{
    if (typist->is_changed)
        return;
    typist->is_changed = true;
    typist->chat = find_or_make_chat(typists, typist->key.chat_id);
    if (typist->chat->changed == NULL)
        queue_chat(typists, typist->chat);
    typist->next_changed = NULL;
    *typist->chat->changed_end = typist;
    typist->chat->changed_end = &typist->next_changed;
}

/* Until it is asked for again, which is when they say that they type and it is older than TYPISTS_RIGHT_MS. */
static bool has_right(const struct delivery_typists *typists, const struct typist *typist)
{
    return typist->has_right && typist->right_era == typists->right_era;
}

static bool wants_telling(const struct delivery_typists *typists, const struct typist *typist,
                          int64_t now_ms)
{
    if (!typist->is_on)
        return typist->is_told;
    if (!has_right(typists, typist))
        return false;
    return !typist->is_told || now_ms - typist->told_ms >= TYPISTS_AGAIN_MS;
}

static void note(struct delivery_typists *typists, struct typist *typist, int64_t now_ms)
{
    if (wants_telling(typists, typist, now_ms))
        mark_changed(typists, typist);
}

/* --- typists --- */

static void free_typist(struct delivery_typists *typists, struct typist *typist)
{
    leave_connection(typist);
    dequeue(typist->is_on ? &typists->typing : &typists->resting, typist);
    HASH_DEL(typists->typists, typist);
    mem_free(typist);
    metric_set(&typists_gauge, (int64_t)HASH_COUNT(typists->typists));
}

static bool is_forgettable(const struct typist *typist)
{
    return !typist->is_on && !typist->is_told && !typist->is_changed;
}

struct typist *delivery_typists_find(struct delivery_typists *typists, int64_t chat_id,
                                     int64_t user_id)
{
    struct typist *typist, probe = {.key = {chat_id, user_id}};
    HASH_FIND(hh, typists->typists, &probe.key, sizeof probe.key, typist);
    return typist;
}

static bool make_room(struct delivery_typists *typists)
{
    if (HASH_COUNT(typists->typists) < typists->max_typists)
        return true;
    struct typist *oldest = typists->resting.first;
    if (oldest == NULL || !is_forgettable(oldest)) {
        metric_add(&dropped_total, 1);
        return false;
    }
    free_typist(typists, oldest);
    return true;
}

/* Resting, and due: whoever makes one starts it at once. */
static struct typist *make(struct delivery_typists *typists, int64_t chat_id, int64_t user_id)
{
    if (!make_room(typists))
        return NULL;
    struct typist *typist = mem_zalloc(sizeof *typist);
    typist->key.chat_id = chat_id;
    typist->key.user_id = user_id;
    HASH_ADD(hh, typists->typists, key, sizeof typist->key, typist);
    enqueue(&typists->resting, typist);
    metric_set(&typists_gauge, (int64_t)HASH_COUNT(typists->typists));
    return typist;
}

struct typist *delivery_typists_start(struct delivery_typists *typists,
                                      struct connection *connection, int64_t chat_id,
                                      int64_t now_ms)
{
    struct typist *typist = delivery_typists_find(typists, chat_id, connection->user_id);
    if (typist == NULL)
        typist = make(typists, chat_id, connection->user_id);
    if (typist == NULL)
        return NULL;
    dequeue(typist->is_on ? &typists->typing : &typists->resting, typist);
    join_connection(typist, connection);
    typist->is_on = true;
    typist->due_ms = now_ms + typists->typing_ms;
    enqueue(&typists->typing, typist);
    note(typists, typist, now_ms);
    return typist;
}

void delivery_typists_stop(struct delivery_typists *typists, struct typist *typist, int64_t now_ms)
{
    if (!typist->is_on)
        return;
    dequeue(&typists->typing, typist);
    leave_connection(typist);
    typist->is_on = false;
    typist->due_ms = now_ms + TYPISTS_RIGHT_MS;
    enqueue(&typists->resting, typist);
    note(typists, typist, now_ms);
    if (is_forgettable(typist) && !delivery_typists_may(typists, typist, now_ms))
        free_typist(typists, typist);
}

void delivery_typists_gone(struct delivery_typists *typists, struct connection *connection,
                           int64_t now_ms)
{
    while (connection->typists != NULL)
        delivery_typists_stop(typists, connection->typists, now_ms);
}

void delivery_typists_sweep(struct delivery_typists *typists, int64_t now_ms)
{
    struct typist *typist;
    while ((typist = typists->typing.first) != NULL && typist->due_ms <= now_ms)
        delivery_typists_stop(typists, typist, now_ms);
    while ((typist = typists->resting.first) != NULL && typist->due_ms <= now_ms) {
        if (is_forgettable(typist)) {
            free_typist(typists, typist);
            continue;
        }
        dequeue(&typists->resting, typist); /* its end was not told yet */
        typist->due_ms = now_ms + TYPISTS_RIGHT_MS;
        enqueue(&typists->resting, typist);
    }
}

/* --- the right to write --- */

bool delivery_typists_may(const struct delivery_typists *typists, const struct typist *typist,
                          int64_t now_ms)
{
    return has_right(typists, typist) && now_ms < typist->right_until_ms;
}

void delivery_typists_allow(struct delivery_typists *typists, struct typist *typist, int64_t now_ms)
{
    typist->has_right = true;
    typist->right_era = typists->right_era;
    typist->right_until_ms = now_ms + TYPISTS_RIGHT_MS;
    note(typists, typist, now_ms);
}

void delivery_typists_deny(struct delivery_typists *typists, struct typist *typist, int64_t now_ms)
{
    typist->has_right = false;
    if (typist->is_on)
        delivery_typists_stop(typists, typist, now_ms);
    else if (is_forgettable(typist))
        free_typist(typists, typist);
}

void delivery_typists_forget_rights(struct delivery_typists *typists)
{
    typists->right_era++;
}

/* --- taking --- */

bool delivery_typists_have_changes(const struct delivery_typists *typists)
{
    return typists->changed != NULL;
}

/* What its watchers are to be told of a typist; false: nothing, they know. */
static bool tell(struct delivery_typists *typists, struct typist *typist, int64_t now_ms)
{
    struct typing_chat *chat = typist->chat;
    if (!wants_telling(typists, typist, now_ms))
        return false;
    if (typist->is_on && !typist->is_told && chat->told == TYPISTS_TOLD_MAX)
        return false;
    chat->told += (size_t)(typist->is_on && !typist->is_told);
    chat->told -= (size_t)!typist->is_on;
    typist->is_told = typist->is_on;
    typist->told_ms = now_ms;
    return true;
}

static void end_chat(struct delivery_typists *typists, struct typing_chat *chat)
{
    if (chat->changed != NULL) {
        queue_chat(typists, chat);
    } else if (chat->told == 0) {
        HASH_DEL(typists->chats, chat);
        mem_free(chat);
    }
}

size_t delivery_typists_take(struct delivery_typists *typists, int64_t now_ms, int64_t *chat_id_out,
                             struct typing_change changes_out[TYPISTS_CHANGES_MAX])
{
    struct typing_chat *chat = typists->changed;
    size_t count = 0;
    if (chat == NULL)
        return 0;
    typists->changed = chat->next_changed;
    if (typists->changed == NULL)
        typists->changed_end = &typists->changed;
    *chat_id_out = chat->chat_id;
    while (chat->changed != NULL && count < TYPISTS_CHANGES_MAX) {
        struct typist *typist = chat->changed;
        chat->changed = typist->next_changed;
        if (chat->changed == NULL)
            chat->changed_end = &chat->changed;
        typist->is_changed = false;
        if (tell(typists, typist, now_ms))
            changes_out[count++] = (struct typing_change){typist->key.user_id, typist->is_on};
    }
    end_chat(typists, chat);
    return count;
}

size_t delivery_typists_count(const struct delivery_typists *typists)
{
    return HASH_COUNT(typists->typists);
}

/* --- life --- */

struct delivery_typists *delivery_typists_create(size_t max_typists, int64_t typing_ms)
{
    struct delivery_typists *typists = mem_zalloc(sizeof *typists);
    typists->max_typists = max_typists;
    typists->typing_ms = typing_ms;
    typists->typing.end = &typists->typing.first;
    typists->resting.end = &typists->resting.first;
    typists->changed_end = &typists->changed;
    metrics_register(&typists_gauge);
    metrics_register(&dropped_total);
    return typists;
}

void delivery_typists_destroy(struct delivery_typists **typists)
{
    if (*typists == NULL)
        return;
    while ((*typists)->typing.first != NULL)
        free_typist(*typists, (*typists)->typing.first);
    while ((*typists)->resting.first != NULL)
        free_typist(*typists, (*typists)->resting.first);
    struct typing_chat *chat, *next;
    HASH_ITER (hh, (*typists)->chats, chat, next) {
        HASH_DEL((*typists)->chats, chat);
        mem_free(chat);
    }
    mem_free(*typists);
    *typists = NULL;
}
