/* What is done to messages that were stored: edited, deleted, reacted to, each by REST in a single try. Deletes are recorded, for
 * after them nothing may tell the body (I19). Edits happen in every third chat only, so that the other logs can be judged
 * byte by byte. */
#include <stdio.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/chaos/load/load.h"
#include "tests/chaos/load/load_record.h"

#define EDITED_CHAT_OF   3
#define DELETE_PERCENT   30
#define EDIT_PERCENT     40 /* of the rest, where edits happen */
#define BY_OWNER_PERCENT 25 /* of the deletes: somebody else's message */
#define TAKE_BACK_OF     3

struct action {
    struct load *load;
    struct load_person *person;
    char *chat;
    int64_t target;
    bool is_delete;
};

/* Who may not, what is gone, too fast: all of that happens. A request that is not understood is a mistake of this load or of the
 * system, and would go unseen. */
static bool is_expected(int status)
{
    return load_unknown(status) != NULL || status == 200 || status == 403 || status == 404 ||
           status == 409 || status == 429;
}

static void on_done(void *context, int status, const cJSON *answer)
{
    struct action *action = context;
    action->load->tries--;
    if (!is_expected(status)) {
        fprintf(stderr, "load: what was done to a message was answered %d %s\n", status,
                load_string(answer, "code"));
        action->load->failed = true;
    }
    if (status == 200 && action->is_delete)
        record(action->person->label, "delete_ok", "%s\t%lld\t%lld", action->chat,
               (long long)action->target, (long long)load_number(answer, "seq"));
    mem_free(action->chat);
    mem_free(action);
}

static void try_action(struct load *load, const struct load_stored *stored,
                       struct load_person *person, const char *method, const char *suffix,
                       const char *json)
{
    char path[128];
    struct action *action = mem_zalloc(sizeof *action);
    *action = (struct action){.load = load,
                              .person = person,
                              .chat = mem_string(stored->chat),
                              .target = stored->seq,
                              .is_delete = suffix[0] == '\0' && strcmp(method, "DELETE") == 0};
    snprintf(path, sizeof path, "/v1/chats/%s/messages/%lld%s", stored->chat,
             (long long)stored->seq, suffix);
    load->tries++;
    rest_try(load->rest, method, path, person->devices[0].token, json, on_done, action);
}

static void edit(struct load *load, const struct load_stored *stored)
{
    cJSON *change = cJSON_CreateObject();
    char text[64];
    load->messages++;
    snprintf(text, sizeof text, "%s %llu edited", load->run, (unsigned long long)load->messages);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(change, "body"), "text", text);
    char *json = load_json(change);
    try_action(load, stored, stored->person, "PATCH", "", json);
    cJSON_free(json);
}

/* A thumb, percent-encoded UTF-8. */
static void react(struct load *load, const struct load_stored *stored, const struct load_chat *chat)
{
    struct load_person *person = chat->people[load_draw_index(load, chat->size)];
    const char *method = load_draw_index(load, TAKE_BACK_OF) == 0 ? "DELETE" : "PUT";
    try_action(load, stored, person, method, "/reactions/%F0%9F%91%8D", NULL);
}

void load_action(struct load *load)
{
    const struct load_stored *stored = load_stored_draw(load);
    size_t index;
    const struct load_chat *chat = stored == NULL ? NULL : load_chat_of(load, stored->chat, &index);
    if (chat == NULL)
        return;
    if (load_draw_percent(load, DELETE_PERCENT))
        try_action(load, stored,
                   load_draw_percent(load, BY_OWNER_PERCENT) ? chat->people[0] : stored->person,
                   "DELETE", "", NULL);
    else if (index % EDITED_CHAT_OF == 0 && load_draw_percent(load, EDIT_PERCENT))
        edit(load, stored);
    else
        react(load, stored, chat);
}
