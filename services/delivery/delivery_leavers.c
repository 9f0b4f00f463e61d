#include "services/delivery/delivery_leavers.h"

#include "services/delivery/delivery_hash.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

struct leaver {
    int64_t user_id;
    int64_t left_ms, due_ms;
    UT_hash_handle hh; /* which keeps the order in which they were added */
};

struct delivery_leavers {
    struct leaver *leavers;
};

static struct metric leavers_gauge = {
    .name = "parley_delivery_leavers",
    .labels = "",
    .help = "Users without a connection who count as there for a moment more.",
    .kind = METRIC_GAUGE};

static struct leaver *find(struct delivery_leavers *leavers, int64_t user_id)
{
    struct leaver *leaver;
    HASH_FIND(hh, leavers->leavers, &user_id, sizeof user_id, leaver);
    return leaver;
}

static void end_leaver(struct delivery_leavers *leavers, struct leaver *leaver)
{
    HASH_DEL(leavers->leavers, leaver);
    mem_free(leaver);
    metric_set(&leavers_gauge, (int64_t)HASH_COUNT(leavers->leavers));
}

void delivery_leavers_add(struct delivery_leavers *leavers, int64_t user_id, int64_t left_ms,
                          int64_t due_ms)
{
    delivery_leavers_drop(leavers, user_id);
    struct leaver *leaver = mem_zalloc(sizeof *leaver);
    leaver->user_id = user_id;
    leaver->left_ms = left_ms;
    leaver->due_ms = due_ms;
    HASH_ADD(hh, leavers->leavers, user_id, sizeof leaver->user_id, leaver);
    metric_set(&leavers_gauge, (int64_t)HASH_COUNT(leavers->leavers));
}

void delivery_leavers_drop(struct delivery_leavers *leavers, int64_t user_id)
{
    struct leaver *leaver = find(leavers, user_id);
    if (leaver != NULL)
        end_leaver(leavers, leaver);
}

bool delivery_leavers_has(struct delivery_leavers *leavers, int64_t user_id)
{
    return find(leavers, user_id) != NULL;
}

bool delivery_leavers_take(struct delivery_leavers *leavers, int64_t now_ms, int64_t *user_id_out,
                           int64_t *left_ms_out)
{
    struct leaver *leaver = leavers->leavers; /* the first that was added */
    if (leaver == NULL || leaver->due_ms > now_ms)
        return false;
    *user_id_out = leaver->user_id;
    *left_ms_out = leaver->left_ms;
    end_leaver(leavers, leaver);
    return true;
}

int64_t delivery_leavers_due_ms(const struct delivery_leavers *leavers)
{
    return leavers->leavers == NULL ? 0 : leavers->leavers->due_ms;
}

struct delivery_leavers *delivery_leavers_create(void)
{
    struct delivery_leavers *leavers = mem_zalloc(sizeof *leavers);
    metrics_register(&leavers_gauge);
    return leavers;
}

void delivery_leavers_destroy(struct delivery_leavers **leavers)
{
    if (*leavers == NULL)
        return;
    while ((*leavers)->leavers != NULL)
        end_leaver(*leavers, (*leavers)->leavers);
    mem_free(*leavers);
    *leavers = NULL;
}
