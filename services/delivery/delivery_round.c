/* The check of a round has two steps: the changes of the user daemon are read until there are no more (asked after the
 * round's last event had come), then the devices of users that are not known are loaded. A step that is not answered is
 * tried again; events wait in the round meanwhile, and the cursor with them. */
#include "services/delivery/delivery_round.h"

#include "services/delivery/delivery_cursor.h"
#include "services/delivery/delivery_revocation.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define LOAD_MAX 256 /* users in one request */
#define RETRY_MS 100

struct round {
    struct delivery_pair *first, *last;
    struct delivery_event **events;
    size_t event_count, event_capacity;
    size_t pair_count;
};

struct delivery_rounds {
    struct delivery_service *service;
    struct round gathering;
    struct round checking;
    bool is_checking;
    uint32_t generation; /* answers to a round that was dropped are not for us */
    struct loop_timer *retry;
};

struct load {
    struct delivery_rounds *rounds;
    uint32_t generation;
    int64_t users[LOAD_MAX];
    size_t count;
};

static struct metric rounds_total = {.name = "parley_delivery_rounds_total",
                                     .labels = "",
                                     .help = "Rounds of parking that were checked.",
                                     .kind = METRIC_COUNTER};
static struct metric loads_total = {.name = "parley_delivery_user_loads_total",
                                    .labels = "",
                                    .help = "Users whose devices were loaded.",
                                    .kind = METRIC_COUNTER};

void delivery_rounds_add_event(struct delivery_rounds *rounds, struct delivery_event *event)
{
    struct round *round = &rounds->gathering;
    if (round->event_count == round->event_capacity) {
        round->event_capacity = round->event_capacity == 0 ? 64 : round->event_capacity * 2;
        round->events = mem_resize(round->events, round->event_capacity * sizeof *round->events);
    }
    round->events[round->event_count++] = delivery_event_share(event);
}

void delivery_rounds_add_pair(struct delivery_rounds *rounds, struct delivery_user *user,
                              struct delivery_event *event)
{
    struct round *round = &rounds->gathering;
    struct delivery_pair *pair = mem_alloc(sizeof *pair);
    *pair = (struct delivery_pair){.user = user, .event = delivery_event_share(event)};
    if (round->first == NULL)
        round->first = pair;
    else
        round->last->next_of_round = pair;
    round->last = pair;
    round->pair_count++;
    delivery_people_add_pair(rounds->service->people, pair);
}

/* Rounds end in the order in which they began, so a round's pairs are the oldest of their users. */
static void end_round(struct delivery_rounds *rounds, struct round *round)
{
    while (round->first != NULL) {
        struct delivery_pair *pair = round->first;
        round->first = pair->next_of_round;
        delivery_people_drop_pair(pair);
    }
    for (size_t i = 0; i < round->event_count; i++) {
        struct delivery_ref ref = round->events[i]->ref;
        delivery_event_drop(&round->events[i]);
        delivery_cursor_release(rounds->service->cursor, ref.partition, ref.offset);
    }
    mem_free(round->events);
    *round = (struct round){0};
}

/* --- the check --- */

static void load_users(struct delivery_rounds *rounds);

static void take_devices(struct delivery_rounds *rounds, struct load *load,
                         const struct user_devices_reply *reply)
{
    struct delivery_people *people = rounds->service->people;
    for (size_t i = 0; i < reply->devices_count; i++) {
        const struct user_device *device = &reply->devices[i];
        delivery_people_add(people, device->user_id, device->device_id, device->created_change);
    }
    for (size_t i = 0; i < load->count; i++) {
        struct delivery_user *user = delivery_people_user(people, load->users[i]);
        user->loaded = true;
    }
}

static void on_devices(void *context, const struct rpc_result *result)
{
    struct load *load = context;
    struct delivery_rounds *rounds = load->rounds;
    if (load->generation != rounds->generation) {
        mem_free(load);
        return;
    }
    if (result->outcome == RPC_OK) {
        take_devices(rounds, load, result->reply);
        load_users(rounds);
    } else {
        loop_timer_start(rounds->retry, RETRY_MS);
    }
    mem_free(load);
}

/* The next users of the round that are not known, each once. */
static void choose_users(struct delivery_rounds *rounds, struct load *load)
{
    struct delivery_user *chosen[LOAD_MAX];
    for (struct delivery_pair *pair = rounds->checking.first;
         pair != NULL && load->count < LOAD_MAX; pair = pair->next_of_round) {
        if (pair->user->loaded || pair->user->is_chosen)
            continue;
        pair->user->is_chosen = true;
        chosen[load->count] = pair->user;
        load->users[load->count++] = pair->user->user_id;
    }
    for (size_t i = 0; i < load->count; i++)
        chosen[i]->is_chosen = false;
}

static void load_users(struct delivery_rounds *rounds)
{
    struct load *load = mem_alloc(sizeof *load);
    load->rounds = rounds;
    load->generation = rounds->generation;
    load->count = 0;
    choose_users(rounds, load);
    if (load->count == 0) {
        mem_free(load);
        end_round(rounds, &rounds->checking);
        rounds->is_checking = false;
        return;
    }
    metric_add(&loads_total, (int64_t)load->count);
    struct user_devices_request request = {.users = load->users, .users_count = load->count};
    user_client_devices(rounds->service->user, &request, daemon_settings.rpc_deadline_ms,
                        on_devices, load);
}

struct catch_up {
    struct delivery_rounds *rounds;
    uint32_t generation;
};

static void on_caught_up(void *context, bool ok)
{
    struct catch_up *asked = context;
    struct delivery_rounds *rounds = asked->rounds;
    bool is_ours = asked->generation == rounds->generation;
    mem_free(asked);
    if (!is_ours)
        return;
    if (ok)
        load_users(rounds);
    else
        loop_timer_start(rounds->retry, RETRY_MS);
}

static void check(void *context)
{
    struct delivery_rounds *rounds = context;
    struct catch_up *asked = mem_alloc(sizeof *asked);
    *asked = (struct catch_up){rounds, rounds->generation};
    delivery_revocation_catch_up(rounds->service->revocation, on_caught_up, asked);
}

void delivery_rounds_turn(struct delivery_rounds *rounds)
{
    if (rounds->is_checking || rounds->gathering.event_count == 0)
        return;
    rounds->checking = rounds->gathering;
    rounds->gathering = (struct round){0};
    rounds->is_checking = true;
    metric_add(&rounds_total, 1);
    check(rounds);
}

void delivery_rounds_drop(struct delivery_rounds *rounds)
{
    rounds->generation++;
    loop_timer_stop(rounds->retry);
    end_round(rounds, &rounds->checking);
    end_round(rounds, &rounds->gathering);
    rounds->is_checking = false;
}

bool delivery_rounds_are_gathering(const struct delivery_rounds *rounds)
{
    return rounds->gathering.event_count > 0;
}

bool delivery_rounds_are_empty(const struct delivery_rounds *rounds)
{
    return rounds->gathering.event_count == 0 && !rounds->is_checking;
}

size_t delivery_rounds_pairs(const struct delivery_rounds *rounds)
{
    return rounds->gathering.pair_count + rounds->checking.pair_count;
}

struct delivery_rounds *delivery_rounds_create(struct delivery_service *service)
{
    struct delivery_rounds *rounds = mem_zalloc(sizeof *rounds);
    rounds->service = service;
    rounds->retry = loop_timer_create(service->loop, check, rounds);
    metrics_register(&rounds_total);
    metrics_register(&loads_total);
    return rounds;
}

void delivery_rounds_destroy(struct delivery_rounds **rounds)
{
    if (*rounds == NULL)
        return;
    delivery_rounds_drop(*rounds);
    loop_timer_destroy(&(*rounds)->retry);
    mem_free(*rounds);
    *rounds = NULL;
}
