/* One request at a time; whoever asks while one is under way waits for the next, which is asked after their event came. */
#include "services/delivery/delivery_revocation.h"

#include "services/delivery/delivery_auth.h"
#include "services/delivery/delivery_inbox.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_presence.h"
#include "services/delivery/delivery_typing.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/base/planted_bug.h"

#define PAGE           1024 /* changes in one request */
#define RECENT         1024 /* ended sessions that are remembered */
#define RECENT_PRIVACY 256  /* changes of what users hide that are remembered */
#define HEAD_ONLY      (-1)
#define MAX_HEAD_SIZE  256

struct waiter {
    delivery_on_caught_up callback;
    void *context;
    struct waiter *next;
};

struct ended_session {
    int64_t offset;
    int64_t session_id;
};

struct privacy_change {
    int64_t offset;
    int64_t user_id;
    int64_t flags;
};

struct delivery_revocation {
    struct delivery_service *service;
    struct nng_subscriber *subscriber;
    struct loop_timer *poll;
    int64_t offset; /* of the last change that was applied */
    bool ready;
    bool asking;
    bool ask_again;         /* the head is said to be further */
    bool answered;          /* the last request was */
    struct waiter *waiting; /* for the request after this one */
    struct waiter *asked;   /* for this one */
    struct ended_session recent[RECENT];
    size_t recent_count; /* ever; the newest are kept */
    struct privacy_change privacy[RECENT_PRIVACY];
    size_t privacy_count; /* likewise */
};

static struct metric offset_gauge = {.name = "parley_delivery_user_changes_offset",
                                     .labels = "",
                                     .help = "Offset of the last change of users that was applied.",
                                     .kind = METRIC_GAUGE};

static void ask(struct delivery_revocation *revocation);

/* --- changes --- */

static void remember_ended(struct delivery_revocation *revocation, const struct user_change *change)
{
    revocation->recent[revocation->recent_count++ % RECENT] =
        (struct ended_session){change->offset, change->session_id};
}

static void apply_privacy(struct delivery_revocation *revocation, const struct user_change *change)
{
    revocation->privacy[revocation->privacy_count++ % RECENT_PRIVACY] =
        (struct privacy_change){change->offset, change->user_id, change->flags};
    delivery_presence_privacy(revocation->service->presence, change->user_id, change->flags);
}

static void apply(struct delivery_revocation *revocation, const struct user_change *change)
{
    struct delivery_service *service = revocation->service;
    struct device *device = delivery_people_device(service->people, change->device_id);
    switch (change->kind) {
    case USER_CHANGE_DEVICE_ADDED:
        if (delivery_people_find(service->people, change->user_id) != NULL)
            delivery_people_add(service->people, change->user_id, change->device_id,
                                change->offset);
        break;
    case USER_CHANGE_DEVICE_REMOVED:
        if (device != NULL) {
            delivery_auth_end_device(service->auth, device);
            delivery_people_remove(service->people, device);
        }
        delivery_inbox_drop(service->inbox, change->device_id);
        break;
    case USER_CHANGE_SESSION_ENDED:
        remember_ended(revocation, change);
        if (device != NULL && !BUG(revocation_ignored))
            delivery_auth_end_session(service->auth, device, change->session_id);
        break;
    case USER_CHANGE_BLOCKED:
    case USER_CHANGE_UNBLOCKED:
        delivery_typing_blocks_changed(service->typing);
        break;
    case USER_CHANGE_PRIVACY:
        apply_privacy(revocation, change);
        break;
    case USER_CHANGE_ERASED: /* its devices come as changes of their own */
        delivery_presence_erased(service->presence, change->user_id);
        break;
    default:
        break;
    }
    revocation->offset = change->offset;
}

static bool has_forgotten_privacy(const struct delivery_revocation *revocation, int64_t valid_at)
{
    size_t count = revocation->privacy_count;
    return count > RECENT_PRIVACY && revocation->privacy[count % RECENT_PRIVACY].offset > valid_at;
}

enum delivery_session_state
delivery_revocation_session(const struct delivery_revocation *revocation, int64_t session_id,
                            int64_t valid_at)
{
    size_t count = revocation->recent_count, kept = count < RECENT ? count : RECENT;
    if (revocation->offset <= valid_at)
        return DELIVERY_SESSION_VALID;
    for (size_t i = count - kept; i < count; i++)
        if (revocation->recent[i % RECENT].session_id == session_id)
            return DELIVERY_SESSION_ENDED;
    bool forgotten = count > RECENT && revocation->recent[count % RECENT].offset > valid_at;
    return forgotten || has_forgotten_privacy(revocation, valid_at) ? DELIVERY_SESSION_UNKNOWN
                                                                    : DELIVERY_SESSION_VALID;
}

int64_t delivery_revocation_flags(const struct delivery_revocation *revocation, int64_t user_id,
                                  int64_t flags, int64_t valid_at)
{
    size_t count = revocation->privacy_count;
    size_t kept = count < RECENT_PRIVACY ? count : RECENT_PRIVACY;
    if (revocation->offset <= valid_at)
        return flags;
    for (size_t i = count - kept; i < count; i++) {
        const struct privacy_change *change = &revocation->privacy[i % RECENT_PRIVACY];
        if (change->user_id == user_id && change->offset > valid_at)
            flags = change->flags;
    }
    return flags;
}

/* --- asking --- */

static void tell(struct waiter **list, bool ok)
{
    struct waiter *waiter = *list;
    *list = NULL;
    while (waiter != NULL) {
        struct waiter *next = waiter->next;
        waiter->callback(waiter->context, ok);
        mem_free(waiter);
        waiter = next;
    }
}

/* The feed has no gaps. Should it have one all the same, standing still before it would be worse than passing it. */
static void apply_all(struct delivery_revocation *revocation,
                      const struct user_changes_reply *reply)
{
    for (size_t i = 0; i < reply->changes_count; i++) {
        const struct user_change *change = &reply->changes[i];
        if (change->offset > revocation->offset + 1)
            log_error("user_changes_gap", LOG_NUMBER("after", revocation->offset),
                      LOG_NUMBER("next", change->offset));
        if (change->offset > revocation->offset)
            apply(revocation, change);
    }
}

static void on_changes(void *context, const struct rpc_result *result)
{
    struct delivery_revocation *revocation = context;
    const struct user_changes_reply *reply = result->reply;
    revocation->asking = false;
    revocation->answered = result->outcome == RPC_OK;
    if (result->outcome != RPC_OK) {
        tell(&revocation->asked, false);
    } else if (!revocation->ready) {
        revocation->offset = reply->head;
        revocation->ready = true;
        tell(&revocation->asked, true);
    } else {
        apply_all(revocation, reply);
        metric_set(&offset_gauge, revocation->offset);
        if (reply->changes_count == PAGE) {
            ask(revocation); /* a full page: those who wait need the rest */
            return;
        }
        tell(&revocation->asked, true);
    }
    if (revocation->waiting != NULL || revocation->ask_again)
        ask(revocation);
}

/* Moves the waiting to those asked for, unless a chain of pages is being continued for them. */
static void ask(struct delivery_revocation *revocation)
{
    if (revocation->asking)
        return;
    if (revocation->asked == NULL) {
        revocation->asked = revocation->waiting;
        revocation->waiting = NULL;
    }
    revocation->asking = true;
    revocation->ask_again = false;
    struct user_changes_request request = {
        .after = revocation->ready ? revocation->offset : HEAD_ONLY, .limit = PAGE};
    user_client_changes(revocation->service->user, &request, daemon_settings.rpc_deadline_ms,
                        on_changes, revocation);
}

void delivery_revocation_catch_up(struct delivery_revocation *revocation,
                                  delivery_on_caught_up callback, void *context)
{
    struct waiter *waiter = mem_alloc(sizeof *waiter);
    *waiter = (struct waiter){callback, context, revocation->waiting};
    revocation->waiting = waiter;
    ask(revocation);
}

static void on_poll(void *context)
{
    ask(context);
}

static void on_published(void *context, struct text message)
{
    struct delivery_revocation *revocation = context;
    struct arena arena = ARENA_EMPTY;
    struct user_head head;
    struct codec_error error;
    if (!codec_decode(&user_head_codec, message, &arena, &head, &error))
        log_warning("bad_news", LOG_STRING("message", error.message),
                    LOG_STRING("reason", error.reason));
    else if (head.head > revocation->offset) {
        revocation->ask_again = revocation->asking;
        ask(revocation);
    }
    arena_deinit(&arena);
}

static void on_subscribed(void *context)
{
    ask(context);
}

bool delivery_revocation_is_ready(const struct delivery_revocation *revocation)
{
    return revocation->ready;
}

bool delivery_revocation_is_current(const struct delivery_revocation *revocation)
{
    return revocation->ready && revocation->answered;
}

int64_t delivery_revocation_offset(const struct delivery_revocation *revocation)
{
    return revocation->offset;
}

struct delivery_revocation *delivery_revocation_create(struct delivery_service *service)
{
    struct delivery_revocation *revocation = mem_zalloc(sizeof *revocation);
    revocation->service = service;
    revocation->subscriber =
        nng_subscriber_create(service->bus, daemon_socket_url("user", "pub"), MAX_HEAD_SIZE,
                              on_published, on_subscribed, revocation);
    revocation->poll = loop_timer_create(service->loop, on_poll, revocation);
    loop_timer_repeat(revocation->poll, delivery_settings.changes_poll_ms);
    metrics_register(&offset_gauge);
    return revocation;
}

void delivery_revocation_destroy(struct delivery_revocation **revocation)
{
    if (*revocation == NULL)
        return;
    tell(&(*revocation)->asked, false);
    tell(&(*revocation)->waiting, false);
    nng_subscriber_destroy(&(*revocation)->subscriber);
    loop_timer_destroy(&(*revocation)->poll);
    mem_free(*revocation);
    *revocation = NULL;
}
