/* Who follows whom is kept by delivery_subjects.c; here what is to be seen of a user is found out, told and checked. */
#include "services/delivery/delivery_presence.h"

#include <string.h>

#include "services/delivery/delivery_companions.h"
#include "services/delivery/delivery_frames.h"
#include "services/delivery/delivery_leavers.h"
#include "services/delivery/delivery_live.h"
#include "services/delivery/delivery_seen.h"
#include "services/delivery/delivery_subjects.h"
#include "services/delivery/delivery_ws.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define CHECK_MS 200 /* between two requests of checking */

struct presence_question {
    struct delivery_presence *presence;
    struct connection *connection; /* held */
    uint32_t number;               /* of the connection's questions */
    size_t count;
    struct text id; /* in `users`, behind the last; data NULL: no `ok` is wanted */
    int64_t users[];
};

struct delivery_presence {
    struct delivery_service *service;
    struct delivery_subjects *subjects;
    struct delivery_leavers *leavers;
    struct delivery_seen *seen;
    struct presence_subject *telling; /* whose followers are being told; NULL: nobody's */
    struct loop_timer *tell;          /* runs: changes wait for company, or for the next slice */
    struct loop_timer *leave;
    struct loop_timer *check;
    struct chat_pair checking[COMPANIONS_PAIRS_MAX];
    size_t checking_count; /* pairs that chat was asked about, or is to be asked again */
    bool is_checking;      /* it has not answered yet */
};

static struct metric told_total = {.name = "parley_delivery_presence_frames_total",
                                   .labels = "",
                                   .help = "Frames that told whether somebody is there.",
                                   .kind = METRIC_COUNTER};
static struct metric dropped_total = {
    .name = "parley_delivery_presence_ended_total",
    .labels = "",
    .help = "Subscriptions that ended because the two share no chat any more.",
    .kind = METRIC_COUNTER};

/* --- telling --- */

/* False: it takes no more. */
static bool tell_connection(struct connection *connection, const struct presence_subject *subject)
{
    if (!device_is_ready(connection->device) || !delivery_ws_can_send(connection))
        return false;
    bool is_online = subject->now == PRESENCE_ONLINE;
    bool is_away = subject->now == PRESENCE_OFFLINE;
    delivery_frames_presence(connection, subject->user_id, is_online,
                             is_away ? subject->last_seen_ms : 0);
    metric_add(&told_total, 1);
    return true;
}

/* What a connection does not take is told when it is ready, or checked. */
static void tell(struct subscription *place)
{
    place->is_behind = !tell_connection(place->connection, place->subject);
    if (place->is_behind)
        place->connection->presence->is_behind = true;
}

/* A slice. */
static void on_tell(void *context)
{
    struct delivery_presence *presence = context;
    for (size_t frames = 0; frames < LIVE_SLICE_FRAMES; frames++) {
        if (presence->telling == NULL)
            presence->telling = delivery_subjects_start_telling(presence->subjects);
        if (presence->telling == NULL)
            return;
        struct subscription *place =
            delivery_subjects_tell_next(presence->subjects, presence->telling);
        if (place == NULL)
            presence->telling = NULL;
        else
            tell(place);
    }
    loop_timer_start(presence->tell, LIVE_SLICE_MS);
}

static void set(struct delivery_presence *presence, struct presence_subject *subject,
                enum presence now, int64_t last_seen_ms)
{
    delivery_subjects_set(presence->subjects, subject, now, last_seen_ms);
    if (delivery_subjects_have_changes(presence->subjects) &&
        !loop_timer_is_running(presence->tell))
        loop_timer_start(presence->tell, delivery_settings.live_interval_ms);
}

/* All that is known of what a connection begins to follow: of those who hide, nothing. */
static void tell_set(struct presence_set *followed)
{
    for (size_t i = 0; i < followed->size; i++) {
        struct subscription *place = &followed->places[i];
        if (place->subject->now >= PRESENCE_ONLINE)
            tell(place);
    }
}

/* Who hides since is among them, and is away to it like to those who were told then. */
static void catch_up(struct presence_set *followed)
{
    if (!followed->is_behind)
        return;
    followed->is_behind = false;
    for (size_t i = 0; i < followed->size; i++) {
        struct subscription *place = &followed->places[i];
        if (place->subject != NULL && place->is_behind)
            tell(place);
    }
}

/* --- what is to be seen of a user --- */

static bool hides(const struct delivery_user *user)
{
    return (user->flags & USER_HIDES_PRESENCE) != 0;
}

/* A new subject: from who is connected, or what was remembered. */
static void find_out(struct delivery_presence *presence, struct presence_subject *subject)
{
    const struct delivery_user *user =
        delivery_people_find(presence->service->people, subject->user_id);
    if (user != NULL && user->connected > 0)
        delivery_subjects_begin(subject, hides(user) ? PRESENCE_HIDDEN : PRESENCE_ONLINE);
    else if (delivery_leavers_has(presence->leavers, subject->user_id))
        delivery_subjects_begin(subject, PRESENCE_ONLINE);
    else if (!subject->is_asked)
        delivery_seen_ask(presence->seen, subject->user_id);
    subject->is_asked = true;
}

static void on_seen(void *context, int64_t user_id, int64_t at_ms)
{
    struct delivery_presence *presence = context;
    struct presence_subject *subject = delivery_subjects_find(presence->subjects, user_id);
    if (subject == NULL || subject->now != PRESENCE_UNKNOWN)
        return; /* it is known better meanwhile */
    if (at_ms == SEEN_HIDDEN)
        set(presence, subject, PRESENCE_HIDDEN, 0);
    else
        set(presence, subject, PRESENCE_OFFLINE, at_ms);
}

static void set_user(struct delivery_presence *presence, int64_t user_id, enum presence now,
                     int64_t last_seen_ms)
{
    struct presence_subject *subject = delivery_subjects_find(presence->subjects, user_id);
    if (subject != NULL)
        set(presence, subject, now, last_seen_ms);
}

void delivery_presence_came(struct delivery_presence *presence, const struct delivery_user *user)
{
    delivery_leavers_drop(presence->leavers, user->user_id);
    if (hides(user))
        delivery_seen_note(presence->seen, user->user_id, SEEN_HIDDEN);
    set_user(presence, user->user_id, hides(user) ? PRESENCE_HIDDEN : PRESENCE_ONLINE, 0);
}

/* Who is back within the grace was not away. */
void delivery_presence_went(struct delivery_presence *presence, const struct delivery_user *user)
{
    int64_t at_ms = clock_wall_ms();
    if (hides(user))
        return;
    delivery_seen_note(presence->seen, user->user_id, at_ms);
    delivery_leavers_add(presence->leavers, user->user_id, at_ms,
                         clock_monotonic_ms() + delivery_settings.presence_grace_ms);
    if (!loop_timer_is_running(presence->leave))
        loop_timer_start(presence->leave, delivery_settings.presence_grace_ms);
}

static void on_leave(void *context)
{
    struct delivery_presence *presence = context;
    int64_t now_ms = clock_monotonic_ms(), user_id, at_ms;
    while (delivery_leavers_take(presence->leavers, now_ms, &user_id, &at_ms))
        set_user(presence, user_id, PRESENCE_OFFLINE, at_ms);
    int64_t due_ms = delivery_leavers_due_ms(presence->leavers);
    if (due_ms != 0)
        loop_timer_start(presence->leave, due_ms - now_ms);
}

static void hide(struct delivery_presence *presence, int64_t user_id, int64_t seen)
{
    delivery_leavers_drop(presence->leavers, user_id);
    delivery_seen_note(presence->seen, user_id, seen);
    set_user(presence, user_id, PRESENCE_HIDDEN, 0);
}

/* The flags may be others for another reason: who did not hide is told of as before. */
static void show(struct delivery_presence *presence, int64_t user_id)
{
    const struct presence_subject *subject = delivery_subjects_find(presence->subjects, user_id);
    const struct delivery_user *user = delivery_people_find(presence->service->people, user_id);
    bool is_online = user != NULL && user->connected > 0;
    delivery_seen_show(presence->seen, user_id);
    if (subject != NULL && subject->now == PRESENCE_HIDDEN)
        set_user(presence, user_id, is_online ? PRESENCE_ONLINE : PRESENCE_OFFLINE, 0);
}

void delivery_presence_privacy(struct delivery_presence *presence, int64_t user_id, int64_t flags)
{
    struct delivery_user *user = delivery_people_find(presence->service->people, user_id);
    if (user != NULL)
        user->flags = (uint8_t)flags;
    if ((flags & USER_HIDES_PRESENCE) != 0)
        hide(presence, user_id, SEEN_HIDDEN);
    else
        show(presence, user_id);
}

void delivery_presence_erased(struct delivery_presence *presence, int64_t user_id)
{
    struct delivery_user *user = delivery_people_find(presence->service->people, user_id);
    if (user != NULL)
        user->flags |= USER_HIDES_PRESENCE; /* what ends now is not remembered */
    hide(presence, user_id, SEEN_NEVER);
}

/* --- the op --- */

static void answer(struct presence_question *question, enum problem problem, const char *detail)
{
    if (problem != PROBLEM_NONE)
        delivery_frames_error(question->connection, question->id, problem, detail, 0);
    else if (question->id.data != NULL)
        delivery_frames_ok(question->connection, question->id);
}

/* Those whom one may not follow are left out in silence: what one may not see does not exist. */
static size_t keep_shared(struct presence_question *question, const int64_t *shared)
{
    size_t kept = 0;
    for (size_t i = 0; i < question->count; i++)
        if (shared[i] != 0)
            question->users[kept++] = question->users[i];
    return kept;
}

static void begin_following(struct connection *connection, struct delivery_presence *presence)
{
    struct presence_set *followed = connection->presence;
    for (size_t i = 0; followed != NULL && i < followed->size; i++)
        if (followed->places[i].subject->now == PRESENCE_UNKNOWN)
            find_out(presence, followed->places[i].subject);
    if (followed != NULL)
        tell_set(followed);
}

static void follow(struct presence_question *question, const int64_t *shared)
{
    struct connection *connection = question->connection;
    struct delivery_presence *presence = question->presence;
    bool is_last = question->number == connection->presence_questions;
    size_t count = keep_shared(question, shared);
    if (!is_last || connection->state != CONNECTION_OPEN) {
        answer(question, PROBLEM_NONE, NULL);
    } else if (delivery_subjects_replace(presence->subjects, connection, question->users, count,
                                         clock_monotonic_ms())) {
        answer(question, PROBLEM_NONE, NULL);
        begin_following(connection, presence);
    } else {
        answer(question, PROBLEM_UNAVAILABLE, "Too many users are being followed.");
    }
}

static void on_companions(void *context, const int64_t *shared)
{
    struct presence_question *question = context;
    if (shared != NULL)
        follow(question, shared);
    else
        answer(question, PROBLEM_UNAVAILABLE, "The log cannot be reached. Say it again.");
    delivery_ws_let_go(question->presence->service->ws, question->connection);
    mem_free(question);
}

static struct presence_question *make_question(struct delivery_presence *presence,
                                               struct connection *connection, struct text id,
                                               const int64_t *users, size_t count)
{
    struct presence_question *question =
        mem_alloc(sizeof *question + count * sizeof *users + id.length);
    *question = (struct presence_question){.presence = presence,
                                           .connection = connection,
                                           .number = ++connection->presence_questions,
                                           .count = count};
    if (count > 0)
        memcpy(question->users, users, count * sizeof *users);
    if (id.data != NULL) {
        memcpy(&question->users[count], id.data, id.length);
        question->id = (struct text){(const char *)&question->users[count], id.length};
    }
    delivery_ws_hold(connection);
    return question;
}

void delivery_presence_follow(struct delivery_presence *presence, struct connection *connection,
                              struct text id, const int64_t *users, size_t count)
{
    static const int64_t nothing_asked[1];
    struct chat_pair pairs[COMPANIONS_PAIRS_MAX];
    struct presence_question *question = make_question(presence, connection, id, users, count);
    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct chat_pair){connection->user_id, users[i]};
    if (count == 0)
        on_companions(question, nothing_asked);
    else if (!delivery_companions_ask(presence->service->companions, pairs, count, on_companions,
                                      question))
        on_companions(question, NULL);
    if (!loop_timer_is_running(presence->check))
        loop_timer_start(presence->check, CHECK_MS);
}

void delivery_presence_ready(struct delivery_presence *presence, struct connection *connection)
{
    (void)presence;
    if (connection->presence != NULL)
        catch_up(connection->presence);
}

void delivery_presence_gone(struct delivery_presence *presence, struct connection *connection)
{
    delivery_subjects_drop(presence->subjects, connection);
}

/* --- checking --- */

/* The two share no chat any more. */
static void end_pair(struct delivery_presence *presence, const struct chat_pair *pair)
{
    const struct delivery_user *user =
        delivery_people_find(presence->service->people, pair->user_id);
    const struct device *device = user == NULL ? NULL : user->devices;
    for (; device != NULL; device = device->next_of_user) {
        if (device->connection == NULL)
            continue;
        size_t before = delivery_subjects_count(presence->subjects);
        delivery_subjects_drop_user(presence->subjects, device->connection, pair->other_id);
        metric_add(&dropped_total, before != delivery_subjects_count(presence->subjects));
    }
}

static void on_checked(void *context, const int64_t *shared)
{
    struct delivery_presence *presence = context;
    presence->is_checking = false;
    if (shared == NULL)
        return; /* the same are asked about again */
    for (size_t i = 0; i < presence->checking_count; i++)
        if (shared[i] == 0)
            end_pair(presence, &presence->checking[i]);
    presence->checking_count = 0;
}

static void add_pair(struct delivery_presence *presence, int64_t user_id, int64_t other_id)
{
    presence->checking[presence->checking_count++] = (struct chat_pair){user_id, other_id};
}

static void add_set(struct delivery_presence *presence, struct presence_set *followed)
{
    catch_up(followed);
    for (size_t i = 0; i < followed->size; i++)
        if (followed->places[i].subject != NULL)
            add_pair(presence, followed->connection->user_id, followed->places[i].subject->user_id);
}

/* Followers of who left a chat, then the sets that were not checked for long, as many as one request takes. */
static void choose_pairs(struct delivery_presence *presence)
{
    int64_t now_ms = clock_monotonic_ms(), follower, user_id;
    int64_t before_ms = now_ms - delivery_settings.presence_check_ms;
    while (presence->checking_count < COMPANIONS_PAIRS_MAX &&
           delivery_subjects_next_suspect(presence->subjects, &follower, &user_id))
        add_pair(presence, follower, user_id);
    while (presence->checking_count + (size_t)limits.max_followed_users <= COMPANIONS_PAIRS_MAX) {
        struct presence_set *followed =
            delivery_subjects_next_set(presence->subjects, before_ms, now_ms);
        if (followed == NULL)
            return;
        add_set(presence, followed);
    }
}

static void on_check(void *context)
{
    struct delivery_presence *presence = context;
    if (!presence->is_checking && presence->checking_count == 0)
        choose_pairs(presence);
    if (!presence->is_checking && presence->checking_count > 0)
        presence->is_checking =
            delivery_companions_ask(presence->service->companions, presence->checking,
                                    presence->checking_count, on_checked, presence);
    if (delivery_subjects_count(presence->subjects) > 0 || presence->checking_count > 0)
        loop_timer_start(presence->check, CHECK_MS);
}

void delivery_presence_suspect(struct delivery_presence *presence, int64_t user_id)
{
    const struct delivery_user *user = delivery_people_find(presence->service->people, user_id);
    const struct device *device = user == NULL ? NULL : user->devices;
    delivery_subjects_suspect(presence->subjects, user_id);
    for (; device != NULL; device = device->next_of_user)
        if (device->connection != NULL)
            delivery_subjects_suspect_set(presence->subjects, device->connection);
}

/* --- life --- */

void delivery_presence_flush(struct delivery_presence *presence)
{
    delivery_seen_flush(presence->seen);
}

bool delivery_presence_is_written(const struct delivery_presence *presence)
{
    return delivery_seen_is_written(presence->seen);
}

struct delivery_presence *delivery_presence_create(struct delivery_service *service)
{
    struct delivery_presence *presence = mem_zalloc(sizeof *presence);
    presence->service = service;
    presence->subjects = delivery_subjects_create((size_t)delivery_settings.max_subscriptions);
    presence->leavers = delivery_leavers_create();
    presence->seen = delivery_seen_create(service->loop, on_seen, presence);
    presence->tell = loop_timer_create(service->loop, on_tell, presence);
    presence->leave = loop_timer_create(service->loop, on_leave, presence);
    presence->check = loop_timer_create(service->loop, on_check, presence);
    metrics_register(&told_total);
    metrics_register(&dropped_total);
    return presence;
}

void delivery_presence_destroy(struct delivery_presence **presence)
{
    if (*presence == NULL)
        return;
    delivery_seen_destroy(&(*presence)->seen);
    loop_timer_destroy(&(*presence)->tell);
    loop_timer_destroy(&(*presence)->leave);
    loop_timer_destroy(&(*presence)->check);
    delivery_leavers_destroy(&(*presence)->leavers);
    delivery_subjects_destroy(&(*presence)->subjects);
    mem_free(*presence);
    *presence = NULL;
}
