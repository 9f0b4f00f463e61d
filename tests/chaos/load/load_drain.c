/* The end: nothing new is begun, what was begun is brought to its end, every device comes online and gets what it is
 * going to get; then the owners read every log twice. */
#include <stdio.h>

#include "shared/base/clock.h"
#include "tests/chaos/load/load.h"
#include "tests/chaos/load/load_record.h"

#define TICK_MS           100
#define QUIET_MS          3000 /* without an event anywhere: nothing more comes */
#define DRAIN_DEADLINE_MS 120000
#define PAGE_LIMIT        200
#define PASSES            2

struct drain {
    struct load *load;
    struct loop_timer *tick;
    int64_t since_ms;
    int pass;
    size_t chat;
    int64_t after;
};
static struct drain drain;

/* --- the logs --- */

static void read_on(void);

static void on_page(void *context, int status, const cJSON *answer)
{
    struct load *load = context;
    const struct load_chat *chat = &load->chats[drain.chat];
    const cJSON *event;
    if (status != 200) {
        load_done(load, "a log could not be read");
        return;
    }
    cJSON_ArrayForEach(event, cJSON_GetObjectItemCaseSensitive(answer, "items"))
    {
        record_event(chat->people[0]->label, "final", event, "%d", drain.pass);
        drain.after = load_number(event, "seq");
    }
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "more"))) {
        read_on();
        return;
    }
    record(chat->people[0]->label, "final_end", "%d\t%s\t%lld", drain.pass, chat->chat_id,
           (long long)drain.after);
    drain.after = 0;
    drain.chat++;
    if (drain.chat == load->chat_count && drain.pass < PASSES) {
        drain.chat = 0;
        drain.pass++;
    }
    if (drain.chat < load->chat_count)
        read_on();
    else
        load_done(load, NULL);
}

static void read_on(void)
{
    struct load *load = drain.load;
    const struct load_chat *chat = &load->chats[drain.chat];
    char path[128];
    snprintf(path, sizeof path, "/v1/chats/%s/events?after=%lld&limit=%d", chat->chat_id,
             (long long)drain.after, PAGE_LIMIT);
    rest_call(load->setup, "GET", path, chat->people[0]->devices[0].token, NULL, on_page, load);
}

/* --- the devices --- */

typedef bool (*device_test)(struct load_device *device);

static size_t count_devices(struct load *load, device_test test)
{
    size_t count = 0;
    for (size_t i = 0; i < load->people_count; i++)
        for (size_t j = 0; j < load->people[i].device_count; j++)
            count += test(&load->people[i].devices[j]);
    return count;
}

static bool bring_online(struct load_device *device)
{
    device_set_manners(device->client, device_good_manners);
    if (device->is_ending) /* it comes back by itself when it has logged in again */
        return false;
    device_go_online(device->client);
    return true;
}

static bool is_away(struct load_device *device)
{
    return !device_is_ready(device->client);
}

static bool has_outgoing(struct load_device *device)
{
    return device_has_outgoing(device->client);
}

static bool say_drained(struct load_device *device)
{
    bool ready = device_is_ready(device->client);
    if (ready)
        record(device->label, "drained", "%lld", (long long)device_connection(device->client));
    return ready;
}

static void on_tick(void *context)
{
    struct load *load = context;
    int64_t now_ms = clock_monotonic_ms();
    count_devices(load, bring_online);
    size_t away = count_devices(load, is_away), outgoing = count_devices(load, has_outgoing);
    bool busy = away > 0 || outgoing > 0 || load->tries > 0 || load->syncs > 0 ||
                now_ms - load->last_event_ms < QUIET_MS || now_ms - drain.since_ms < QUIET_MS;
    if (busy && now_ms - drain.since_ms < DRAIN_DEADLINE_MS)
        return;
    if (busy)
        fprintf(stderr,
                "load: not drained in time: %zu devices away, %zu with unanswered messages\n", away,
                outgoing);
    loop_timer_destroy(&drain.tick);
    count_devices(load, say_drained);
    load->phase = LOAD_READING;
    drain.pass = 1;
    read_on();
}

void load_drain(struct load *load)
{
    if (load->phase != LOAD_RUNNING)
        return;
    load->phase = LOAD_DRAINING;
    load_script_stop(load);
    drain = (struct drain){.load = load, .since_ms = clock_monotonic_ms()};
    load->last_event_ms = drain.since_ms;
    drain.tick = loop_timer_create(load->loop, on_tick, load);
    loop_timer_repeat(drain.tick, TICK_MS);
}
