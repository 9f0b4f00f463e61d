/* The chats: how many of which size, and who is in them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/chaos/load/load.h"
#include "tests/chaos/load/load_record.h"

#define MIN_PEOPLE    12
#define SPARE_PERCENT 10 /* people beside the first members, who may be added later */
#define GROUP_MIN     3

static bool add_size(struct load *load, size_t size, size_t count)
{
    if (size < 2 || count == 0 || count > 1000)
        return false;
    load->chats = mem_resize(load->chats, (load->chat_count + count) * sizeof *load->chats);
    for (size_t i = 0; i < count; i++)
        load->chats[load->chat_count++] = (struct load_chat){.size = size};
    return true;
}

bool load_chats_plan(struct load *load, size_t *people_out)
{
    const char *at = load->options.chats;
    size_t largest = MIN_PEOPLE;
    while (*at != '\0') {
        char *end;
        size_t size = strtoul(at, &end, 10);
        if (*end != 'x' || !add_size(load, size, strtoul(end + 1, &end, 10)))
            return false;
        if (*end != ',' && *end != '\0')
            return false;
        at = *end == ',' ? end + 1 : end;
        largest = size > largest ? size : largest;
    }
    *people_out = largest + largest * SPARE_PERCENT / 100 + 1;
    return load->chat_count > 0;
}

/* The first `size` of a shuffled row, then some who are not in it yet. */
static void choose_people(struct load *load, struct load_chat *chat)
{
    size_t spare = chat->size >= GROUP_MIN ? 1 + chat->size * SPARE_PERCENT / 100 : 0;
    size_t count = chat->size + spare;
    size_t *order = mem_array(load->people_count, sizeof *order);
    for (size_t i = 0; i < load->people_count; i++)
        order[i] = i;
    chat->people = mem_array(count, sizeof(struct load_person *));
    chat->is_member = mem_array(count, sizeof *chat->is_member);
    for (size_t i = 0; i < count; i++) {
        size_t other = i + load_draw_index(load, load->people_count - i);
        size_t chosen = order[other];
        order[other] = order[i];
        chat->people[i] = &load->people[chosen];
        chat->is_member[i] = i < chat->size;
    }
    mem_free(order);
}

static void make_next(struct load *load);

static void on_chat(void *context, int status, const cJSON *answer)
{
    struct load *load = context;
    struct load_chat *chat = &load->chats[load->chats_ready];
    if (status != 201 && status != 200) {
        load_done(load, "a chat was refused");
        return;
    }
    snprintf(chat->chat_id, sizeof chat->chat_id, "%s", load_string(answer, "id"));
    record("load", "chat", "%s\t%s\t%s", chat->chat_id, load_string(answer, "kind"),
           load_string(answer, "history"));
    load->chats_ready++;
    make_next(load);
}

static void make_next(struct load *load)
{
    if (load->chats_ready == load->chat_count) {
        load_made(load);
        return;
    }
    struct load_chat *chat = &load->chats[load->chats_ready];
    cJSON *body = cJSON_CreateObject();
    choose_people(load, chat);
    cJSON_AddStringToObject(body, "kind", "group");
    cJSON_AddStringToObject(body, "title", "chaos");
    cJSON *members = cJSON_AddArrayToObject(body, "members");
    for (size_t i = 1; i < chat->size; i++)
        cJSON_AddItemToArray(members, cJSON_CreateString(chat->people[i]->user_id));
    char *json = load_json(body);
    rest_call(load->setup, "POST", "/v1/chats", chat->people[0]->devices[0].token, json, on_chat,
              load);
    cJSON_free(json);
}

void load_chats_make(struct load *load)
{
    make_next(load);
}
