#include "services/user/user_changes.h"

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#include <nng/nng.h>

struct user_changes {
    struct user_store *store;
    struct nng_publisher *publisher;
    struct loop_deferred *at_turn_end;
    struct loop_timer *timer;
    int64_t head;
    bool asking;
};

static struct metric head_metric = {.name = "parley_user_changes_head",
                                    .labels = "",
                                    .help = "Offset of the latest change of accounts.",
                                    .kind = METRIC_GAUGE};

static void publish(void *context)
{
    struct user_changes *changes = context;
    struct user_head news = {.head = changes->head};
    struct buffer bytes = BUFFER_EMPTY;
    nng_msg *msg = NULL;
    codec_encode(&user_head_codec, &news, &bytes);
    if (nng_msg_alloc(&msg, 0) == 0 && nng_msg_append(msg, bytes.data, bytes.length) == 0)
        nng_publish(changes->publisher, msg);
    else
        nng_msg_free(msg); /* the timer publishes it again */
    buffer_deinit(&bytes);
}

void user_changes_note(struct user_changes *changes, int64_t head)
{
    if (head <= changes->head)
        return;
    changes->head = head;
    metric_set(&head_metric, head);
    loop_deferred_request(changes->at_turn_end);
}

static void on_head(void *context, enum problem problem, int64_t head)
{
    struct user_changes *changes = context;
    changes->asking = false;
    if (problem != PROBLEM_NONE)
        return;
    user_changes_note(changes, head);
    loop_deferred_request(changes->at_turn_end);
}

static void on_time(void *context)
{
    struct user_changes *changes = context;
    if (changes->asking)
        return;
    changes->asking = true;
    user_store_head(changes->store, on_head, changes);
}

struct user_changes *user_changes_create(struct loop *loop, struct nng_bus *bus,
                                         struct user_store *store, const char *url,
                                         char *message_out, int message_size)
{
    struct nng_publisher *publisher = nng_publisher_create(bus, url, message_out, message_size);
    if (publisher == NULL)
        return NULL;
    struct user_changes *changes = mem_zalloc(sizeof *changes);
    changes->store = store;
    changes->publisher = publisher;
    changes->at_turn_end = loop_deferred_create(loop, publish, changes);
    changes->timer = loop_timer_create(loop, on_time, changes);
    loop_timer_repeat(changes->timer, USER_CHANGES_PERIOD_MS);
    metrics_register(&head_metric);
    return changes;
}

void user_changes_destroy(struct user_changes **changes)
{
    if (*changes == NULL)
        return;
    loop_timer_destroy(&(*changes)->timer);
    loop_deferred_destroy(&(*changes)->at_turn_end);
    nng_publisher_destroy(&(*changes)->publisher);
    mem_free(*changes);
    *changes = NULL;
}
