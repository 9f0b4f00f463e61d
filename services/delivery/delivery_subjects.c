/* A set lies in one block; its places are linked into the lists of their subjects. */
#include "services/delivery/delivery_subjects.h"

#include "services/delivery/delivery_hash.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

struct delivery_subjects {
    struct presence_subject *subjects;
    struct presence_subject *changed, **changed_end;
    struct presence_subject *suspects, **suspects_end;
    struct presence_subject *telling; /* whose followers are being walked over */
    struct presence_set *oldest, **newest_link;
    size_t count, max_subscriptions;
};

static struct metric subscriptions_gauge = {
    .name = "parley_delivery_subscriptions",
    .labels = "",
    .help = "Users whose presence connections follow, all together.",
    .kind = METRIC_GAUGE};
static struct metric refused_total = {
    .name = "parley_delivery_subscriptions_refused_total",
    .labels = "",
    .help = "Times that a connection could not follow more, for all together follow too many.",
    .kind = METRIC_COUNTER};

/* --- subjects --- */

struct presence_subject *delivery_subjects_find(struct delivery_subjects *subjects, int64_t user_id)
{
    struct presence_subject *subject;
    HASH_FIND(hh, subjects->subjects, &user_id, sizeof user_id, subject);
    return subject;
}

static struct presence_subject *find_or_make(struct delivery_subjects *subjects, int64_t user_id)
{
    struct presence_subject *subject = delivery_subjects_find(subjects, user_id);
    if (subject != NULL)
        return subject;
    subject = mem_zalloc(sizeof *subject);
    subject->user_id = user_id;
    HASH_ADD(hh, subjects->subjects, user_id, sizeof subject->user_id, subject);
    return subject;
}

/* What stands in a queue, or is being walked, is freed when that is over. */
static void free_if_unused(struct delivery_subjects *subjects, struct presence_subject *subject)
{
    if (subject->followers != NULL || subject->is_changed || subject->is_suspect ||
        subjects->telling == subject)
        return;
    HASH_DEL(subjects->subjects, subject);
    mem_free(subject);
}

static void mark_changed(struct delivery_subjects *subjects, struct presence_subject *subject)
{
    if (subject->is_changed)
        return;
    subject->is_changed = true;
    subject->next_changed = NULL;
    *subjects->changed_end = subject;
    subjects->changed_end = &subject->next_changed;
}

static struct presence_subject *take_changed(struct delivery_subjects *subjects)
{
    struct presence_subject *subject = subjects->changed;
    if (subject == NULL)
        return NULL;
    subjects->changed = subject->next_changed;
    if (subjects->changed == NULL)
        subjects->changed_end = &subjects->changed;
    subject->is_changed = false;
    return subject;
}

/* --- places --- */

/* In front: a walk that is under way does not meet it. What it is told on its own may be older than the walk's end. */
static void add_place(struct delivery_subjects *subjects, struct subscription *place,
                      struct connection *connection, int64_t user_id)
{
    struct presence_subject *subject = find_or_make(subjects, user_id);
    *place = (struct subscription){.connection = connection,
                                   .next = subject->followers,
                                   .link = &subject->followers,
                                   .subject = subject};
    if (subject->followers != NULL)
        subject->followers->link = &place->next;
    subject->followers = place;
    if (!subject->is_changed)
        return;
    subject->must_tell = true;
    subject->was_shown = subject->was_shown || subject->now >= PRESENCE_ONLINE;
}

static void drop_place(struct delivery_subjects *subjects, struct subscription *place)
{
    struct presence_subject *subject = place->subject;
    if (subject->tell_walk == place)
        subject->tell_walk = place->next;
    if (subject->check_walk == place)
        subject->check_walk = place->next;
    *place->link = place->next;
    if (place->next != NULL)
        place->next->link = place->link;
    place->subject = NULL;
    free_if_unused(subjects, subject);
}

/* --- sets --- */

static void count_subscriptions(struct delivery_subjects *subjects, size_t count)
{
    subjects->count = count;
    metric_set(&subscriptions_gauge, (int64_t)count);
}

static void link_newest(struct delivery_subjects *subjects, struct presence_set *set)
{
    set->next = NULL;
    set->link = subjects->newest_link;
    *subjects->newest_link = set;
    subjects->newest_link = &set->next;
}

static void unlink_set(struct delivery_subjects *subjects, struct presence_set *set)
{
    *set->link = set->next;
    if (set->next != NULL)
        set->next->link = set->link;
    else
        subjects->newest_link = set->link;
}

bool delivery_subjects_replace(struct delivery_subjects *subjects, struct connection *connection,
                               const int64_t *users, size_t count, int64_t now_ms)
{
    const struct presence_set *former = connection->presence;
    size_t others = subjects->count - (former == NULL ? 0 : former->left);
    if (others + count > subjects->max_subscriptions) {
        metric_add(&refused_total, 1);
        return false;
    }
    delivery_subjects_drop(subjects, connection);
    if (count == 0)
        return true;
    struct presence_set *set = mem_alloc(sizeof *set + count * sizeof *set->places);
    *set = (struct presence_set){
        .connection = connection, .checked_ms = now_ms, .size = count, .left = count};
    link_newest(subjects, set);
    for (size_t i = 0; i < count; i++)
        add_place(subjects, &set->places[i], connection, users[i]);
    connection->presence = set;
    count_subscriptions(subjects, subjects->count + count);
    return true;
}

void delivery_subjects_drop_user(struct delivery_subjects *subjects, struct connection *connection,
                                 int64_t user_id)
{
    struct presence_set *set = connection->presence;
    for (size_t i = 0; set != NULL && i < set->size; i++) {
        struct subscription *place = &set->places[i];
        if (place->subject == NULL || place->subject->user_id != user_id)
            continue;
        drop_place(subjects, place);
        count_subscriptions(subjects, subjects->count - 1);
        if (--set->left == 0)
            delivery_subjects_drop(subjects, connection);
        return;
    }
}

void delivery_subjects_drop(struct delivery_subjects *subjects, struct connection *connection)
{
    struct presence_set *set = connection->presence;
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->size; i++)
        if (set->places[i].subject != NULL)
            drop_place(subjects, &set->places[i]);
    unlink_set(subjects, set);
    count_subscriptions(subjects, subjects->count - set->left);
    mem_free(set);
    connection->presence = NULL;
}

/* --- telling --- */

void delivery_subjects_begin(struct presence_subject *subject, enum presence now)
{
    subject->now = subject->told = now;
}

/* Each follower is told what is to be seen at their turn. From now on some have been told this and others that, so that all
 * must be told again, even if it becomes again what the walk began with. */
static void note_under_walk(struct delivery_subjects *subjects, struct presence_subject *subject)
{
    subject->must_tell = true;
    subject->was_shown = subject->was_shown || subject->now >= PRESENCE_ONLINE;
    mark_changed(subjects, subject);
}

void delivery_subjects_set(struct delivery_subjects *subjects, struct presence_subject *subject,
                           enum presence now, int64_t last_seen_ms)
{
    if (subjects->telling == subject && now != subject->now)
        note_under_walk(subjects, subject);
    subject->now = now;
    subject->last_seen_ms = last_seen_ms;
    if (now != subject->told)
        mark_changed(subjects, subject);
}

bool delivery_subjects_have_changes(const struct delivery_subjects *subjects)
{
    return subjects->changed != NULL;
}

/* Of one who hides there is nothing to tell but, to those who have seen something, that they see it no more. */
static bool needs_telling(const struct presence_subject *subject)
{
    if (subject->now == PRESENCE_UNKNOWN)
        return false;
    if (subject->now == PRESENCE_HIDDEN)
        return subject->was_shown || subject->told >= PRESENCE_ONLINE;
    return subject->must_tell || subject->now != subject->told;
}

struct presence_subject *delivery_subjects_start_telling(struct delivery_subjects *subjects)
{
    struct presence_subject *subject;
    while ((subject = take_changed(subjects)) != NULL) {
        bool needs = needs_telling(subject);
        subject->told = subject->now;
        subject->must_tell = subject->was_shown = false;
        if (needs && subject->followers != NULL) {
            subject->tell_walk = subject->followers;
            subjects->telling = subject;
            return subject;
        }
        free_if_unused(subjects, subject);
    }
    return NULL;
}

struct subscription *delivery_subjects_tell_next(struct delivery_subjects *subjects,
                                                 struct presence_subject *subject)
{
    struct subscription *place = subject->tell_walk;
    if (place != NULL) {
        subject->tell_walk = place->next;
        return place;
    }
    subjects->telling = NULL;
    free_if_unused(subjects, subject);
    return NULL;
}

/* --- checking --- */

void delivery_subjects_suspect(struct delivery_subjects *subjects, int64_t user_id)
{
    struct presence_subject *subject = delivery_subjects_find(subjects, user_id);
    if (subject == NULL)
        return;
    subject->check_walk = subject->followers; /* from the beginning, if it was under way */
    if (subject->is_suspect)
        return;
    subject->is_suspect = true;
    subject->next_suspect = NULL;
    *subjects->suspects_end = subject;
    subjects->suspects_end = &subject->next_suspect;
}

bool delivery_subjects_next_suspect(struct delivery_subjects *subjects, int64_t *follower_out,
                                    int64_t *user_out)
{
    while (subjects->suspects != NULL) {
        struct presence_subject *subject = subjects->suspects;
        struct subscription *place = subject->check_walk;
        if (place != NULL) {
            subject->check_walk = place->next;
            *follower_out = place->connection->user_id;
            *user_out = subject->user_id;
            return true;
        }
        subjects->suspects = subject->next_suspect;
        if (subjects->suspects == NULL)
            subjects->suspects_end = &subjects->suspects;
        subject->is_suspect = false;
        free_if_unused(subjects, subject);
    }
    return false;
}

void delivery_subjects_suspect_set(struct delivery_subjects *subjects,
                                   struct connection *connection)
{
    struct presence_set *set = connection->presence;
    if (set == NULL)
        return;
    unlink_set(subjects, set);
    set->checked_ms = INT64_MIN;
    set->next = subjects->oldest;
    set->link = &subjects->oldest;
    if (subjects->oldest != NULL)
        subjects->oldest->link = &set->next;
    else
        subjects->newest_link = &set->next;
    subjects->oldest = set;
}

struct presence_set *delivery_subjects_next_set(struct delivery_subjects *subjects,
                                                int64_t before_ms, int64_t now_ms)
{
    struct presence_set *set = subjects->oldest;
    if (set == NULL || set->checked_ms > before_ms)
        return NULL;
    unlink_set(subjects, set);
    set->checked_ms = now_ms;
    link_newest(subjects, set);
    return set;
}

size_t delivery_subjects_count(const struct delivery_subjects *subjects)
{
    return subjects->count;
}

/* --- life --- */

struct delivery_subjects *delivery_subjects_create(size_t max_subscriptions)
{
    struct delivery_subjects *subjects = mem_zalloc(sizeof *subjects);
    subjects->max_subscriptions = max_subscriptions;
    subjects->changed_end = &subjects->changed;
    subjects->suspects_end = &subjects->suspects;
    subjects->newest_link = &subjects->oldest;
    metrics_register(&subscriptions_gauge);
    metrics_register(&refused_total);
    return subjects;
}

void delivery_subjects_destroy(struct delivery_subjects **subjects)
{
    if (*subjects == NULL)
        return;
    struct presence_subject *subject, *next;
    HASH_ITER (hh, (*subjects)->subjects, subject, next) {
        HASH_DEL((*subjects)->subjects, subject);
        mem_free(subject);
    }
    mem_free(*subjects);
    *subjects = NULL;
}
