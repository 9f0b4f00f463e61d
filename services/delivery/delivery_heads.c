/* One entry per pulled chat with news in the last interval. It is told at once, in slices, so that nobody waits for a hundred
 * thousand; then it rests, gathers, and is told again or forgotten. A walk goes over the chat's members or over the connected
 * users, whichever are fewer, from the back: whoever leaves is replaced from the end, so that nobody is passed over. */
#include "services/delivery/delivery_heads.h"

#include <utlist.h>

#include "services/delivery/delivery_frames.h"
#include "services/delivery/delivery_hash.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_rosters.h"
#include "services/delivery/delivery_watch.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define SLICE_MS     1 /* between two slices */
#define SLICE_VISITS 2048
#define SLICE_FRAMES 128
#define ROSTER_MS    50 /* until a walk whose roster was being asked for looks again */

enum head_state { HEAD_TELLING, HEAD_RESTING };

struct head {
    int64_t chat_id;
    int64_t seq;
    int64_t since_ms;      /* of the first news that the next walk is for */
    int64_t walk_since_ms; /* … and that this one is for */
    int64_t started_ms;    /* of its last walk */
    uint64_t load_number;
    size_t left; /* of a walk: places that are not visited yet; they are the first ones */
    uint8_t state;
    bool is_walking;
    bool by_members;
    bool has_news; /* that came after its walk had begun */
    struct head *prev, *next;
    UT_hash_handle hh;
};

struct delivery_heads {
    struct delivery_service *service;
    struct head *by_chat;
    struct head *telling, *resting; /* both in the order in which they began */
    struct loop_timer *timer;
};

struct slice {
    struct delivery_heads *heads;
    struct head *head;
    size_t visits, frames;
};

static struct metric told_total = {.name = "parley_delivery_heads_told_total",
                                   .labels = "",
                                   .help = "Frames `head` of pulled chats.",
                                   .kind = METRIC_COUNTER};
static struct metric chats_gauge = {.name = "parley_delivery_heads_chats",
                                    .labels = "",
                                    .help = "Pulled chats with news in the last interval.",
                                    .kind = METRIC_GAUGE};

/* --- one user --- */

/* A watcher that nothing has passed by since the news began was sent all of it. */
static bool has_had_it(const struct head *head, const struct device *device)
{
    return delivery_watch_has(device->connection, head->chat_id) &&
           device->passed_by_ms < head->walk_since_ms;
}

static void tell_user(struct slice *slice, const struct delivery_user *user)
{
    for (struct device *device = user->devices; device != NULL; device = device->next_of_user) {
        if (!device_is_ready(device) || has_had_it(slice->head, device))
            continue;
        delivery_frames_head(device->connection, slice->head->chat_id, slice->head->seq);
        metric_add(&told_total, 1);
        slice->frames++;
    }
}

static void visit_member(struct slice *slice, const struct delivery_roster *roster, size_t place)
{
    const struct chat_span *span = &roster->spans[place];
    if (span->to_seq != 0)
        return;
    const struct delivery_user *user =
        delivery_people_find(slice->heads->service->people, span->user_id);
    if (user != NULL && user->connected > 0)
        tell_user(slice, user);
}

static void visit_connected(struct slice *slice, struct delivery_roster *roster, size_t place)
{
    const struct delivery_user *user =
        delivery_people_connected_user(slice->heads->service->people, place);
    if (delivery_roster_has(roster, user->user_id, INT64_MAX))
        tell_user(slice, user);
}

/* --- a walk --- */

static void start_walk(struct delivery_heads *heads, struct head *head,
                       const struct delivery_roster *roster)
{
    size_t connected = delivery_people_connected_count(heads->service->people);
    head->by_members = roster->span_count < connected;
    head->left = head->by_members ? roster->span_count : connected;
    head->load_number = roster->load_number;
    if (head->is_walking)
        return; /* from the beginning again: its places were those of another load */
    head->started_ms = clock_monotonic_ms();
    head->walk_since_ms = head->since_ms;
    head->is_walking = true;
    head->has_news = false;
}

/* False: there is more to visit than this slice may. */
static bool walk_on(struct slice *slice, struct delivery_roster *roster)
{
    struct head *head = slice->head;
    size_t there = head->by_members
                       ? roster->span_count
                       : delivery_people_connected_count(slice->heads->service->people);
    if (head->left > there)
        head->left = there;
    while (head->left > 0) {
        if (slice->visits == SLICE_VISITS || slice->frames >= SLICE_FRAMES)
            return false;
        slice->visits++;
        head->left--;
        if (head->by_members)
            visit_member(slice, roster, head->left);
        else
            visit_connected(slice, roster, head->left);
    }
    return true;
}

static void rest(struct delivery_heads *heads, struct head *head)
{
    head->is_walking = false;
    head->state = HEAD_RESTING;
    DL_DELETE(heads->telling, head);
    DL_APPEND(heads->resting, head);
}

/* A chat whose members must be asked for stands back for the others. */
static bool tell_first(struct slice *slice)
{
    struct delivery_heads *heads = slice->heads;
    struct head *head = slice->head = heads->telling;
    struct delivery_roster *roster =
        delivery_rosters_find(heads->service->rosters, head->chat_id, head->seq);
    if (roster == NULL) {
        DL_DELETE(heads->telling, head);
        DL_APPEND(heads->telling, head);
        return false;
    }
    if (!head->is_walking || (head->by_members && head->load_number != roster->load_number))
        start_walk(heads, head, roster);
    if (walk_on(slice, roster))
        rest(heads, head);
    return true;
}

/* --- time --- */

static void forget(struct delivery_heads *heads, struct head *head)
{
    DL_DELETE(heads->resting, head);
    HASH_DEL(heads->by_chat, head);
    mem_free(head);
    metric_set(&chats_gauge, (int64_t)HASH_COUNT(heads->by_chat));
}

static int64_t rests_until_ms(const struct head *head)
{
    return head->started_ms + delivery_settings.heads_interval_ms;
}

static void wake_rested(struct delivery_heads *heads)
{
    int64_t now_ms = clock_monotonic_ms();
    while (heads->resting != NULL && rests_until_ms(heads->resting) <= now_ms) {
        struct head *head = heads->resting;
        if (!head->has_news) {
            forget(heads, head);
            continue;
        }
        head->state = HEAD_TELLING;
        DL_DELETE(heads->resting, head);
        DL_APPEND(heads->telling, head);
    }
}

static void wait(struct delivery_heads *heads, bool is_stuck)
{
    if (heads->telling != NULL) {
        loop_timer_start(heads->timer, is_stuck ? ROSTER_MS : SLICE_MS);
    } else if (heads->resting != NULL) {
        int64_t left_ms = rests_until_ms(heads->resting) - clock_monotonic_ms();
        loop_timer_start(heads->timer, left_ms > 0 ? left_ms : 0);
    }
}

static void on_timer(void *context)
{
    struct delivery_heads *heads = context;
    struct slice slice = {.heads = heads};
    const struct head *stuck =
        NULL; /* the first that had no roster: when it comes again, all have been looked at */
    bool is_stuck = false;
    wake_rested(heads);
    while (heads->telling != NULL && !is_stuck && slice.visits < SLICE_VISITS &&
           slice.frames < SLICE_FRAMES) {
        const struct head *head = heads->telling;
        is_stuck = head == stuck;
        if (!is_stuck && !tell_first(&slice) && stuck == NULL)
            stuck = head;
    }
    wait(heads, is_stuck);
}

void delivery_heads_note(struct delivery_heads *heads, int64_t chat_id, int64_t seq)
{
    struct head *head;
    HASH_FIND(hh, heads->by_chat, &chat_id, sizeof chat_id, head);
    if (head == NULL) {
        head = mem_zalloc(sizeof *head);
        head->chat_id = chat_id;
        HASH_ADD(hh, heads->by_chat, chat_id, sizeof head->chat_id, head);
        if (heads->telling == NULL)
            loop_timer_start(heads->timer, SLICE_MS);
        DL_APPEND(heads->telling, head);
        head->since_ms = clock_monotonic_ms();
        metric_set(&chats_gauge, (int64_t)HASH_COUNT(heads->by_chat));
    }
    head->seq = seq > head->seq ? seq : head->seq;
    if ((head->is_walking || head->state == HEAD_RESTING) && !head->has_news) {
        head->has_news = true;
        head->since_ms = clock_monotonic_ms();
    }
}

/* --- life --- */

struct delivery_heads *delivery_heads_create(struct delivery_service *service)
{
    struct delivery_heads *heads = mem_zalloc(sizeof *heads);
    heads->service = service;
    heads->timer = loop_timer_create(service->loop, on_timer, heads);
    metrics_register(&told_total);
    metrics_register(&chats_gauge);
    return heads;
}

void delivery_heads_destroy(struct delivery_heads **heads)
{
    struct head *head, *next;
    if (*heads == NULL)
        return;
    HASH_ITER (hh, (*heads)->by_chat, head, next) {
        HASH_DEL((*heads)->by_chat, head);
        mem_free(head);
    }
    loop_timer_destroy(&(*heads)->timer);
    mem_free(*heads);
    *heads = NULL;
}
