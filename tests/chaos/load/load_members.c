/* Membership: owners remove and add people, one change of a chat at a time, each asked for until it is decided. */
#include <stdio.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/chaos/load/load.h"
#include "tests/chaos/load/load_record.h"

#define SMALLEST         10 /* chats below keep their members */
#define KEPT_PERCENT     70
#define TRESPASS_PERCENT 40 /* of the removed try to write all the same */

struct change {
    struct load *load;
    struct load_chat *chat;
    size_t index; /* of the person in the chat */
    bool adds;
    char op[CLIENT_OP_SIZE];
    struct event *again;
};

static void try_change(struct change *change);

static void on_again(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    try_change(context);
}

static void end_change(struct change *change)
{
    struct load_chat *chat = change->chat;
    chat->is_member[change->index] = change->adds;
    chat->changing = false;
    if (!change->adds && change->load->phase == LOAD_RUNNING &&
        load_draw_percent(change->load, TRESPASS_PERCENT))
        load_message_from(change->load, chat, chat->people[change->index]);
    event_free(change->again);
    mem_free(change);
}

static void on_changed(void *context, int status, const cJSON *answer)
{
    struct change *change = context;
    const char *actor = change->chat->people[0]->label;
    struct timeval delay = {0, 300000};
    change->load->tries--;
    if (load_unknown(status) != NULL || status == 429) {
        record(actor, "member_unknown", "%s\t%s", change->op,
               status == 429 ? "rate_limited" : load_unknown(status));
        evtimer_add(change->again, &delay);
        return;
    }
    if (status == 200 || status == 204)
        record(actor, "member_ok", "%s", change->op);
    else
        record(actor, "member_refused", "%s\t%s", change->op, load_string(answer, "code"));
    end_change(change);
}

static void try_change(struct change *change)
{
    const struct load_chat *chat = change->chat;
    const struct load_person *owner = chat->people[0];
    const char *user = chat->people[change->index]->user_id;
    char path[128];
    snprintf(path, sizeof path, "/v1/chats/%s/members/%s", chat->chat_id, user);
    client_new_op(change->op);
    record(owner->label, "member_invoke", "%s\t%s\t%s\t%s", change->op,
           change->adds ? "add" : "remove", chat->chat_id, user);
    change->load->tries++;
    rest_try(change->load->rest, change->adds ? "PUT" : "DELETE", path, owner->devices[0].token,
             change->adds ? "{}" : NULL, on_changed, change);
}

static size_t members_of(const struct load_chat *chat, size_t count)
{
    size_t members = 0;
    for (size_t i = 0; i < count; i++)
        members += chat->is_member[i];
    return members;
}

void load_member_change(struct load *load)
{
    struct load_chat *chat = &load->chats[load_draw_index(load, load->chat_count)];
    if (chat->size < SMALLEST || chat->changing)
        return;
    size_t count = chat->size + 1 + chat->size / 10; /* with the spare ones of load_chats.c */
    size_t index = 1 + load_draw_index(load, count - 1);
    bool adds = !chat->is_member[index];
    if (!adds && members_of(chat, count) * 100 < chat->size * KEPT_PERCENT)
        return;
    struct change *change = mem_zalloc(sizeof *change);
    *change = (struct change){.load = load, .chat = chat, .index = index, .adds = adds};
    change->again = evtimer_new(loop_base(load->loop), on_again, change);
    chat->changing = true;
    try_change(change);
}
