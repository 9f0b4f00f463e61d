/* Who does what when. The load is open: what is due happens at its time, whether or not what was asked before is answered.
 * Times between two events of a kind are exponential. */
#include <math.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/chaos/load/load.h"

#define TICK_MS          5
#define OFFLINE_MEAN_MS  8000.0
#define FLAPPING_MEAN_MS 1000.0
#define MAX_BEHIND_MS    2000 /* of a process that stood still: what was due before is left out */

enum kind { SENDS, REPEATS, MEMBERS, REVOKES, PAGES, RECEIPTS, ACTIONS, KINDS };

struct script {
    struct load *load;
    struct loop_timer *tick;
    double rates[KINDS]; /* a second */
    int64_t due_ms[KINDS];
    double *chat_weights; /* summed up */
};
static struct script script;

static int64_t gap_ms(struct load *load, double mean_ms)
{
    return (int64_t)(-log(1 - load_draw(load)) * mean_ms) + 1;
}

/* A message in a large chat is many deliveries: all chats of a size together get a share that falls with the size. */
static void weigh_chats(struct load *load)
{
    double sum = 0;
    script.chat_weights = mem_array(load->chat_count, sizeof *script.chat_weights);
    for (size_t i = 0; i < load->chat_count; i++) {
        size_t twins = 0;
        for (size_t j = 0; j < load->chat_count; j++)
            twins += load->chats[j].size == load->chats[i].size;
        sum += 1 / (sqrt((double)load->chats[i].size) * (double)twins);
        script.chat_weights[i] = sum;
    }
}

static struct load_chat *draw_chat(struct load *load)
{
    double at = load_draw(load) * script.chat_weights[load->chat_count - 1];
    size_t i = 0;
    while (i + 1 < load->chat_count && script.chat_weights[i] < at)
        i++;
    return &load->chats[i];
}

static void happen(struct load *load, enum kind kind)
{
    switch (kind) {
    case SENDS:
        load_message_draw(load, draw_chat(load));
        break;
    case REPEATS:
        load_message_repeat(load);
        break;
    case MEMBERS:
        load_member_change(load);
        break;
    case REVOKES:
        load_revoke(load);
        break;
    case PAGES:
        load_page(load);
        break;
    case RECEIPTS:
        load_receipt(load);
        break;
    case ACTIONS:
        load_action(load);
        break;
    case KINDS:
        break;
    }
}

/* --- devices come and go --- */

/* A fifth is away: who stays for S and is away for A is away A / (A + S) of the time. */
static int64_t draw_stay_ms(struct load *load, const struct load_device *device)
{
    double offline = load->options.offline_percent / 100;
    if (device->is_flapping)
        return gap_ms(load, FLAPPING_MEAN_MS);
    return gap_ms(load, OFFLINE_MEAN_MS * (1 - offline) / (offline + 0.001));
}

static void move_device(struct load *load, struct load_device *device, int64_t now_ms)
{
    if (device->is_ending || device->client == NULL)
        return;
    if (device->leave_at_ms == 0 && device->back_at_ms == 0)
        device->leave_at_ms = now_ms + draw_stay_ms(load, device);
    if (device->leave_at_ms != 0 && now_ms >= device->leave_at_ms) {
        device->leave_at_ms = 0;
        device->back_at_ms =
            now_ms + gap_ms(load, device->is_flapping ? FLAPPING_MEAN_MS / 4 : OFFLINE_MEAN_MS);
        device_go_offline(device->client);
    } else if (device->back_at_ms != 0 && now_ms >= device->back_at_ms) {
        device->back_at_ms = 0;
        device_go_online(device->client);
    }
}

static void on_tick(void *context)
{
    struct load *load = context;
    int64_t now_ms = clock_monotonic_ms();
    for (int kind = 0; kind < KINDS; kind++) {
        if (script.due_ms[kind] < now_ms - MAX_BEHIND_MS)
            script.due_ms[kind] = now_ms;
        while (script.rates[kind] > 0 && script.due_ms[kind] <= now_ms) {
            if (!load->paused)
                happen(load, (enum kind)kind);
            script.due_ms[kind] += gap_ms(load, 1000 / script.rates[kind]);
        }
    }
    for (size_t i = 0; i < load->people_count; i++)
        for (size_t j = 0; j < load->people[i].device_count; j++)
            move_device(load, &load->people[i].devices[j], now_ms);
}

void load_script_start(struct load *load)
{
    const struct load_options *options = &load->options;
    script.load = load;
    script.rates[SENDS] = options->sends_per_second;
    script.rates[REPEATS] = options->sends_per_second * options->repeat_percent / 100;
    script.rates[MEMBERS] = options->member_changes_per_second;
    script.rates[REVOKES] = options->revokes_per_second;
    script.rates[PAGES] = options->pages_per_second;
    script.rates[RECEIPTS] = options->receipts_per_second;
    script.rates[ACTIONS] = options->actions_per_second;
    for (int kind = 0; kind < KINDS; kind++)
        script.due_ms[kind] = clock_monotonic_ms();
    weigh_chats(load);
    script.tick = loop_timer_create(load->loop, on_tick, load);
    loop_timer_repeat(script.tick, TICK_MS);
}

void load_script_stop(struct load *load)
{
    (void)load;
    loop_timer_destroy(&script.tick);
    mem_free(script.chat_weights);
    script.chat_weights = NULL;
}
