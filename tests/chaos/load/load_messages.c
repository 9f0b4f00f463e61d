/* Messages: by a socket or by REST, alone or several in a row, new or again. */
#include <stdio.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/chaos/load/load.h"
#include "tests/chaos/load/load_record.h"

#define REST_PERCENT    8
#define BURST_PERCENT   10
#define BURST_MAX       5
#define LONG_PERCENT    5 /* a KiB */
#define HUGE_PERCENT    0.5
#define ALTERED_PERCENT 10 /* of what is sent again has another body */
#define REMEMBERED      512

static struct load_stored stored[REMEMBERED]; /* to be sent again, edited, deleted, reacted to */
static size_t stored_count;                   /* ever */

/* A message on its way by REST. */
struct post {
    struct load *load;
    struct load_person *person;
    char op[CLIENT_OP_SIZE];
    char *chat, *client_id, *text;
    struct event *again;
};

static void draw_text(struct load *load, char text_out[LOAD_TEXT_MAX])
{
    size_t length = 20 + load_draw_index(load, 180);
    if (load_draw_percent(load, HUGE_PERCENT))
        length = LOAD_TEXT_MAX - 100;
    else if (load_draw_percent(load, LONG_PERCENT))
        length = 1024;
    int head = snprintf(text_out, LOAD_TEXT_MAX, "%s %llu ", load->run,
                        (unsigned long long)load->messages);
    memset(text_out + head, 'a' + (int)(load->messages % 26), length);
    text_out[(size_t)head + length] = '\0';
}

void load_message_stored(struct load_person *person, const struct device_send *send, int64_t seq)
{
    struct load_stored *slot = &stored[stored_count++ % REMEMBERED];
    mem_free(slot->chat);
    mem_free(slot->client_id);
    mem_free(slot->text);
    *slot = (struct load_stored){person, mem_string(send->chat), mem_string(send->client_id),
                                 mem_string(send->text), seq};
}

const struct load_stored *load_stored_draw(struct load *load)
{
    size_t known = stored_count < REMEMBERED ? stored_count : REMEMBERED;
    return known == 0 ? NULL : &stored[load_draw_index(load, known)];
}

/* --- by REST --- */

static void try_post(struct post *post);

static void free_post(struct post *post)
{
    event_free(post->again);
    mem_free(post->chat);
    mem_free(post->client_id);
    mem_free(post->text);
    mem_free(post);
}

static void on_again(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    try_post(context);
}

static void on_posted(void *context, int status, const cJSON *answer)
{
    struct post *post = context;
    struct timeval delay = {0, 200000};
    post->load->tries--;
    if (load_unknown(status) != NULL) {
        record(post->person->label, "unknown", "%s\t%s", post->op, load_unknown(status));
        evtimer_add(post->again, &delay);
        return;
    }
    if (status == 429) {
        record(post->person->label, "refused", "%s\trate_limited", post->op);
        evtimer_add(post->again, &delay);
        return;
    }
    if (status == 200 || status == 201) {
        struct device_send send = {post->op, post->chat, post->client_id, post->text};
        record(post->person->label, "ok", "%s\t%lld", post->op,
               (long long)load_number(answer, "seq"));
        load_message_stored(post->person, &send, load_number(answer, "seq"));
    } else {
        record(post->person->label, "refused", "%s\t%s", post->op, load_string(answer, "code"));
    }
    free_post(post);
}

static void try_post(struct post *post)
{
    char path[96], hash[RECORD_HASH_SIZE];
    cJSON *message = cJSON_CreateObject();
    cJSON_AddStringToObject(message, "client_id", post->client_id);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(message, "body"), "text", post->text);
    char *json = load_json(message);
    snprintf(path, sizeof path, "/v1/chats/%s/messages", post->chat);
    client_new_op(post->op);
    record_hash(post->text, hash);
    record(post->person->label, "invoke", "%s\trest\t%s\t%s\t%s", post->op, post->chat,
           post->client_id, hash);
    post->load->tries++;
    rest_try(post->load->rest, "POST", path, post->person->devices[0].token, json, on_posted, post);
    cJSON_free(json);
}

static void post_message(struct load_person *person, const char *chat, const char *client_id,
                         const char *text)
{
    struct post *post = mem_zalloc(sizeof *post);
    post->load = person->load;
    post->person = person;
    post->chat = mem_string(chat);
    post->client_id = mem_string(client_id);
    post->text = mem_string(text);
    post->again = evtimer_new(loop_base(person->load->loop), on_again, post);
    try_post(post);
}

/* --- what is drawn --- */

static void send_new(struct load *load, struct load_chat *chat, struct load_person *person,
                     struct load_device *device)
{
    char client_id[LOAD_NAME_SIZE], text[LOAD_TEXT_MAX];
    load->messages++;
    snprintf(client_id, sizeof client_id, "%s-%llu", load->run, (unsigned long long)load->messages);
    draw_text(load, text);
    if (device != NULL)
        device_send(device->client, chat->chat_id, client_id, text);
    else
        post_message(person, chat->chat_id, client_id, text);
}

void load_message_from(struct load *load, struct load_chat *chat, struct load_person *person)
{
    struct load_device *device = load_device_ready(load, person);
    send_new(load, chat, person, device);
}

void load_message_draw(struct load *load, struct load_chat *chat)
{
    size_t index = load_draw_index(load, chat->size);
    struct load_person *person = chat->people[index];
    if (!chat->is_member[index])
        return;
    struct load_device *device =
        load_draw_percent(load, REST_PERCENT) ? NULL : load_device_ready(load, person);
    size_t count = 1;
    if (device != NULL && load_draw_percent(load, BURST_PERCENT))
        count += 1 + load_draw_index(load, BURST_MAX - 1);
    for (size_t i = 0; i < count; i++)
        send_new(load, chat, person, device);
}

void load_message_repeat(struct load *load)
{
    char altered[LOAD_TEXT_MAX + 16];
    const struct load_stored *chosen = load_stored_draw(load);
    if (chosen == NULL)
        return;
    const char *text = chosen->text;
    if (load_draw_percent(load, ALTERED_PERCENT)) {
        snprintf(altered, sizeof altered, "%.*s, altered", LOAD_TEXT_MAX - 100, text);
        text = altered;
    }
    struct load_device *device =
        load_draw_percent(load, 50) ? load_device_ready(load, chosen->person) : NULL;
    if (device != NULL)
        device_send(device->client, chosen->chat, chosen->client_id, text);
    else
        post_message(chosen->person, chosen->chat, chosen->client_id, text);
}
