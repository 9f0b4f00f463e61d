/* One page at a time: read the feed above the cursor, take the page over in one transaction, wait until what it left in
 * the outbox is in the logs, go on. `applied` is the offset up to which all of that is done; waiters look at it. After a
 * start the first page is what the outbox still holds. */
#include "services/metadata/metadata_changes.h"

#include "services/metadata/metadata_outbox.h"
#include "services/metadata/metadata_settings.h"
#include "services/metadata/metadata_store.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define PAGE           128
#define CURSOR_UNKNOWN (-1)

struct catch_up {
    int64_t offset;
    int64_t deadline_ms;
    metadata_on_caught_up on_caught_up;
    void *context;
    struct catch_up *next;
};

struct metadata_changes {
    struct metadata_service *service;
    struct loop_timer *poll;
    int64_t cursor;              /* taken over in Postgres */
    int64_t applied;             /* and in the logs */
    struct metadata_taken *page; /* what the page left in the outbox */
    size_t page_count;
    size_t unapplied; /* of these, how many are waited for */
    bool page_late;   /* one of them was not in the log in time: wait for the page again */
    bool busy;        /* a page is on its way */
    int64_t blocks;   /* and unblocks, that Postgres was asked to take over */
    bool more;        /* asked for while busy */
    size_t waiter_count;
    struct catch_up *waiters;
};

static struct metric waiters_metric = {.name = "parley_metadata_catch_ups",
                                       .labels = "",
                                       .help = "Requests that wait until a change is in the logs.",
                                       .kind = METRIC_GAUGE};

static void next_page(struct metadata_changes *changes);

static void end_waiters(struct metadata_changes *changes)
{
    int64_t now_ms = clock_monotonic_ms();
    struct catch_up **link = &changes->waiters;
    while (*link != NULL) {
        struct catch_up *waiter = *link;
        bool done = waiter->offset <= changes->applied;
        if (!done && waiter->deadline_ms > now_ms) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        changes->waiter_count--;
        waiter->on_caught_up(waiter->context, done);
        mem_free(waiter);
    }
    metric_set(&waiters_metric, (int64_t)changes->waiter_count);
}

static void page_ended(struct metadata_changes *changes, bool succeeded)
{
    changes->busy = false;
    if (succeeded)
        changes->applied = changes->cursor;
    end_waiters(changes);
    if (succeeded && changes->more)
        next_page(changes);
}

/* A parked change holds its own chat up, not the feed, which others wait for. */
static void on_applied(void *context, enum metadata_applied applied)
{
    struct metadata_changes *changes = context;
    changes->page_late = changes->page_late || applied == METADATA_LATE;
    if (--changes->unapplied == 0 && !changes->page_late)
        page_ended(changes, true); /* otherwise the poll timer waits for the page again */
}

/* The array is the page's from here on. */
static void wait_for_page(struct metadata_changes *changes)
{
    changes->page_late = false;
    changes->unapplied = changes->page_count + 1;
    for (size_t i = 0; i < changes->page_count; i++)
        metadata_outbox_wait(changes->service->outbox, changes->page[i].chat_id,
                             changes->page[i].version, on_applied, changes);
    on_applied(
        changes,
        METADATA_IN_LOG); /* our own count: the page may be empty, or may have ended already */
}

static void set_page(struct metadata_changes *changes, size_t count)
{
    mem_free(changes->page);
    changes->page = mem_array(count + 1, sizeof *changes->page);
    changes->page_count = count;
}

struct taking {
    struct metadata_changes *changes;
    int64_t last_offset;
    bool full; /* a whole page: there is probably more */
};

static void on_taken(void *context, enum problem problem, const struct metadata_taken *taken,
                     size_t count)
{
    struct taking *taking = context;
    struct metadata_changes *changes = taking->changes;
    if (problem != PROBLEM_NONE) {
        changes->cursor =
            CURSOR_UNKNOWN; /* perhaps committed: read where it stands before going on */
        mem_free(taking);
        page_ended(changes, false);
        return;
    }
    changes->cursor = taking->last_offset;
    changes->more = changes->more || taking->full;
    mem_free(taking);
    set_page(changes, count);
    for (size_t i = 0; i < count; i++)
        changes->page[i] = taken[i];
    wait_for_page(changes);
}

static void count_blocks(struct metadata_changes *changes, const struct user_changes_reply *page)
{
    for (size_t i = 0; i < page->changes_count; i++)
        changes->blocks += page->changes[i].kind == USER_CHANGE_BLOCKED ||
                           page->changes[i].kind == USER_CHANGE_UNBLOCKED;
}

static void on_changes(void *context, const struct rpc_result *result)
{
    struct metadata_changes *changes = context;
    const struct user_changes_reply *reply = result->reply;
    if (result->outcome != RPC_OK || reply->changes_count == 0) {
        page_ended(changes, result->outcome == RPC_OK && changes->cursor <= reply->head);
        return;
    }
    struct taking *taking = mem_zalloc(sizeof *taking);
    taking->changes = changes;
    taking->last_offset = reply->changes[reply->changes_count - 1].offset;
    taking->full = reply->changes_count == PAGE;
    count_blocks(changes, reply);
    metadata_store_take(changes->service->store, reply->changes, reply->changes_count, on_taken,
                        taking);
}

static void ask(struct metadata_changes *changes)
{
    struct user_changes_request request = {
        .after = changes->cursor, .limit = PAGE, .taken = changes->cursor};
    user_client_changes(changes->service->user, &request, daemon_settings.rpc_deadline_ms,
                        on_changes, changes);
}

static void on_left_behind(void *context, enum problem problem, const int64_t *chats, size_t count)
{
    struct metadata_changes *changes = context;
    if (problem != PROBLEM_NONE) {
        changes->cursor = CURSOR_UNKNOWN;
        page_ended(changes, false);
        return;
    }
    set_page(changes, count);
    for (size_t i = 0; i < count; i++)
        changes->page[i] = (struct metadata_taken){chats[i], INT64_MAX};
    changes->more = true;
    wait_for_page(changes);
}

static void on_cursor(void *context, enum problem problem, int64_t offset)
{
    struct metadata_changes *changes = context;
    if (problem != PROBLEM_NONE) {
        page_ended(changes, false);
        return;
    }
    changes->cursor = offset;
    metadata_store_waiting_chats(changes->service->store, metadata_settings.max_outbox_chats,
                                 on_left_behind, changes);
}

static void next_page(struct metadata_changes *changes)
{
    if (changes->busy || !metadata_store_is_ready(changes->service->store))
        return;
    changes->busy = true;
    changes->more = false;
    if (changes->cursor == CURSOR_UNKNOWN)
        metadata_store_cursor(changes->service->store, on_cursor, changes);
    else
        ask(changes);
}

static void on_poll(void *context)
{
    struct metadata_changes *changes = context;
    end_waiters(changes);
    if (changes->busy && changes->unapplied == 0 && changes->page_late)
        wait_for_page(changes);
    next_page(changes);
}

struct metadata_changes *metadata_changes_create(struct metadata_service *service)
{
    struct metadata_changes *changes = mem_zalloc(sizeof *changes);
    changes->service = service;
    changes->cursor = CURSOR_UNKNOWN;
    changes->applied = CURSOR_UNKNOWN;
    metrics_register(&waiters_metric);
    changes->poll = loop_timer_create(service->loop, on_poll, changes);
    loop_timer_repeat(changes->poll, metadata_settings.changes_poll_ms);
    return changes;
}

void metadata_changes_catch_up(struct metadata_changes *changes, int64_t offset,
                               metadata_on_caught_up on_caught_up, void *context)
{
    if (offset <= changes->applied ||
        changes->waiter_count >= (size_t)metadata_settings.max_catch_ups) {
        on_caught_up(context, offset <= changes->applied);
        return;
    }
    struct catch_up *waiter = mem_zalloc(sizeof *waiter);
    *waiter = (struct catch_up){offset, clock_monotonic_ms() + daemon_settings.rpc_deadline_ms,
                                on_caught_up, context, changes->waiters};
    changes->waiters = waiter;
    changes->waiter_count++;
    metric_set(&waiters_metric, (int64_t)changes->waiter_count);
    changes->more = true;
    next_page(changes);
}

int64_t metadata_changes_blocks(const struct metadata_changes *changes)
{
    return changes->blocks;
}

void metadata_changes_destroy(struct metadata_changes **changes)
{
    if (*changes == NULL)
        return;
    while ((*changes)->waiters != NULL) {
        struct catch_up *waiter = (*changes)->waiters;
        (*changes)->waiters = waiter->next;
        mem_free(waiter);
    }
    loop_timer_destroy(&(*changes)->poll);
    mem_free((*changes)->page);
    mem_free(*changes);
    *changes = NULL;
}
