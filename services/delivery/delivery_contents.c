/* A queue of pages, and a few requests in flight, each carrying as many whole pages as it holds. */
#include "services/delivery/delivery_contents.h"

#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define IN_FLIGHT_MAX 4
#define RETRY_MS      200

struct page {
    struct device *device;
    uint32_t generation;
    size_t count;
    struct page *next;
    struct chat_event_ref refs[DEVICE_PAGE];
};

struct fetch {
    struct delivery_contents *contents;
    struct page *pages;
    struct page **end;
    size_t ref_count;
    struct chat_event_ref refs[CHAT_MAX_BATCH];
};

struct delivery_contents {
    struct delivery_service *service;
    struct page *first;
    struct page **end;
    struct loop_deferred *flush;
    struct loop_timer *retry;
    int in_flight;
};

static struct metric drained_total = {
    .name = "parley_delivery_drained_total",
    .labels = "",
    .help = "Events that were read from the log for an inbox or a resumed window.",
    .kind = METRIC_COUNTER};

static void append(struct delivery_contents *contents, struct page *page)
{
    page->next = NULL;
    *contents->end = page;
    contents->end = &page->next;
}

static struct page *take_first(struct delivery_contents *contents)
{
    struct page *page = contents->first;
    contents->first = page->next;
    if (contents->first == NULL)
        contents->end = &contents->first;
    return page;
}

static void free_page(struct delivery_contents *contents, struct page *page)
{
    page->device->calls--;
    delivery_people_let_go(contents->service->people, page->device);
    mem_free(page);
}

static void give(struct delivery_contents *contents, struct page *page,
                 const struct chat_event *events)
{
    struct text jsons[DEVICE_PAGE];
    for (size_t i = 0; i < page->count; i++)
        jsons[i] = events[i].seq == 0 ? TEXT_NONE : events[i].json;
    metric_add(&drained_total, (int64_t)page->count);
    if (!page->device->removed)
        device_on_contents(page->device, page->generation, jsons);
    free_page(contents, page);
}

/* The pages go back in front, in their order. */
static void try_later(struct delivery_contents *contents, struct fetch *fetch)
{
    *fetch->end = contents->first;
    if (contents->first == NULL)
        contents->end = fetch->end;
    contents->first = fetch->pages;
    loop_timer_start(contents->retry, RETRY_MS);
}

static void on_events(void *context, const struct rpc_result *result)
{
    struct fetch *fetch = context;
    struct delivery_contents *contents = fetch->contents;
    const struct chat_events_reply *reply = result->reply;
    contents->in_flight--;
    if (result->outcome != RPC_OK || reply->events_count != fetch->ref_count) {
        /* the end of the list lies in the last page, or in the fetch when there is none: there is always one */
        try_later(contents, fetch);
        mem_free(fetch);
        return;
    }
    const struct chat_event *events = reply->events;
    while (fetch->pages != NULL) {
        struct page *page = fetch->pages;
        fetch->pages = page->next;
        size_t count = page->count;
        give(contents, page, events);
        events += count;
    }
    mem_free(fetch);
    loop_deferred_request(contents->flush);
}

static void send_fetch(struct delivery_contents *contents)
{
    struct fetch *fetch = mem_alloc(sizeof *fetch);
    fetch->contents = contents;
    fetch->pages = NULL;
    fetch->end = &fetch->pages;
    fetch->ref_count = 0;
    while (contents->first != NULL && fetch->ref_count + contents->first->count <= CHAT_MAX_BATCH) {
        struct page *page = take_first(contents);
        for (size_t i = 0; i < page->count; i++)
            fetch->refs[fetch->ref_count++] = page->refs[i];
        page->next = NULL;
        *fetch->end = page;
        fetch->end = &page->next;
    }
    contents->in_flight++;
    struct chat_events_request request = {.refs = fetch->refs, .refs_count = fetch->ref_count};
    chat_client_events(contents->service->chat, &request, daemon_settings.rpc_deadline_ms,
                       on_events, fetch);
}

/* Pages whose connection has gone are not worth asking for. */
static void drop_stale(struct delivery_contents *contents)
{
    while (contents->first != NULL &&
           contents->first->generation != contents->first->device->page_generation)
        free_page(contents, take_first(contents));
}

static void on_flush(void *context)
{
    struct delivery_contents *contents = context;
    if (loop_timer_is_running(contents->retry))
        return;
    drop_stale(contents);
    while (contents->first != NULL && contents->in_flight < IN_FLIGHT_MAX) {
        send_fetch(contents);
        drop_stale(contents);
    }
}

void delivery_contents_fetch(struct delivery_contents *contents, struct device *device,
                             uint32_t generation, const struct delivery_ref *refs, size_t count)
{
    struct page *page = mem_alloc(sizeof *page);
    page->device = device;
    page->generation = generation;
    page->count = count;
    for (size_t i = 0; i < count; i++)
        page->refs[i] = (struct chat_event_ref){refs[i].chat_id, refs[i].seq};
    device->calls++;
    append(contents, page);
    loop_deferred_request(contents->flush);
}

struct delivery_contents *delivery_contents_create(struct delivery_service *service)
{
    struct delivery_contents *contents = mem_zalloc(sizeof *contents);
    contents->service = service;
    contents->end = &contents->first;
    contents->flush = loop_deferred_create(service->loop, on_flush, contents);
    contents->retry = loop_timer_create(service->loop, on_flush, contents);
    metrics_register(&drained_total);
    return contents;
}

void delivery_contents_destroy(struct delivery_contents **contents)
{
    if (*contents == NULL)
        return;
    while ((*contents)->first != NULL)
        free_page(*contents, take_first(*contents));
    loop_deferred_destroy(&(*contents)->flush);
    loop_timer_destroy(&(*contents)->retry);
    mem_free(*contents);
    *contents = NULL;
}
