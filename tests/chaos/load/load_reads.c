/* Pages of history and receipts. */
#include <stdio.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/chaos/load/load.h"
#include "tests/chaos/load/load_record.h"

#define PAGE_LIMIT        20
#define SOCKET_PERCENT    40 /* of receipts go by the socket */
#define RECORDED_FRAME_OF 16
#define LIST_PERCENT      20 /* … and of the others so many are read, not written */

struct question {
    struct load *load;
    struct load_chat *chat;
    struct load_person *person;
    char op[CLIENT_OP_SIZE];
};

/* A chat, and somebody who is in it as far as is known; NULL when the draw gave nobody. */
static struct question *draw_question(struct load *load)
{
    struct load_chat *chat = &load->chats[load_draw_index(load, load->chat_count)];
    size_t index = load_draw_index(load, chat->size);
    if (!chat->is_member[index] || chat->head == 0)
        return NULL;
    struct question *question = mem_zalloc(sizeof *question);
    *question = (struct question){.load = load, .chat = chat, .person = chat->people[index]};
    client_new_op(question->op);
    load->tries++;
    return question;
}

static void end_question(struct question *question)
{
    question->load->tries--;
    mem_free(question);
}

/* --- pages --- */

static void on_page(void *context, int status, const cJSON *answer)
{
    struct question *question = context;
    const char *actor = question->person->label;
    const cJSON *event;
    if (status != 200) {
        record(actor, "page_failed", "%s\t%s", question->op,
               load_unknown(status) != NULL ? load_unknown(status) : load_string(answer, "code"));
        end_question(question);
        return;
    }
    cJSON_ArrayForEach(event, cJSON_GetObjectItemCaseSensitive(answer, "items"))
    {
        record_event(actor, "page_event", event, "%s", question->op);
    }
    record(actor, "page_end", "%s\t%lld\t%d", question->op,
           (long long)load_number(answer, "last_seq"),
           cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "more")));
    end_question(question);
}

void load_page(struct load *load)
{
    struct question *question = draw_question(load);
    char path[128];
    if (question == NULL)
        return;
    int64_t back = (int64_t)load_draw_index(load, 2 * PAGE_LIMIT);
    int64_t after = question->chat->head > back ? question->chat->head - back : 0;
    snprintf(path, sizeof path, "/v1/chats/%s/events?after=%lld&limit=%d", question->chat->chat_id,
             (long long)after, PAGE_LIMIT);
    record(question->person->label, "page_begin", "%s\t%s\t%lld\t%d", question->op,
           question->chat->chat_id, (long long)after, PAGE_LIMIT);
    rest_try(load->rest, "GET", path, question->person->devices[0].token, NULL, on_page, question);
}

/* --- receipts --- */

static void on_receipt(void *context, int status, const cJSON *answer)
{
    struct question *question = context;
    const char *actor = question->person->label;
    if (status == 200)
        record(actor, "receipt_ok", "%s\t%lld\t%lld", question->op,
               (long long)load_number(answer, "delivered"), (long long)load_number(answer, "read"));
    else if (load_unknown(status) != NULL)
        record(actor, "receipt_unknown", "%s\t%s", question->op, load_unknown(status));
    else
        record(actor, "receipt_refused", "%s\t%s", question->op, load_string(answer, "code"));
    end_question(question);
}

static void record_seen(const char *actor, const char *chat, const cJSON *receipt)
{
    char number[2][24] = {"-", "-"};
    static const char *const names[] = {"delivered", "read"};
    for (int i = 0; i < 2; i++)
        if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(receipt, names[i])))
            snprintf(number[i], sizeof number[i], "%lld",
                     (long long)load_number(receipt, names[i]));
    record(actor, "receipt_seen", "%s\t%s\t%s\t%s", chat, load_string(receipt, "user"), number[0],
           number[1]);
}

/* Every reader of a chat is told of every reader: a part of these frames is enough. */
void load_receipt_frame(struct load_device *device, const cJSON *receipt)
{
    static unsigned frames;
    if (++frames % RECORDED_FRAME_OF != 0)
        return;
    record_seen(device->label, load_string(receipt, "chat"), receipt);
}

static void on_list(void *context, int status, const cJSON *answer)
{
    struct question *question = context;
    const cJSON *receipt;
    if (status == 200) {
        cJSON_ArrayForEach(receipt, cJSON_GetObjectItemCaseSensitive(answer, "items"))
        {
            record_seen(question->person->label, question->chat->chat_id, receipt);
        }
    }
    end_question(question);
}

static void read_on_socket(struct load *load, const struct question *question, int64_t seq)
{
    struct load_device *device = load_device_ready(load, question->person);
    if (device == NULL || device->read_op[0] != '\0')
        return;
    snprintf(device->read_op, sizeof device->read_op, "%s", question->op);
    record(device->label, "receipt_invoke", "%s\t%lld\t%s\t-\t%lld", question->op,
           (long long)device_connection(device->client), question->chat->chat_id, (long long)seq);
    device_read(device->client, question->chat->chat_id, seq, question->op);
}

static void put_receipt(struct load *load, struct question *question, int64_t seq)
{
    char path[96], json[64];
    snprintf(path, sizeof path, "/v1/chats/%s/receipts", question->chat->chat_id);
    snprintf(json, sizeof json, "{\"read\":%lld}", (long long)seq);
    record(question->person->label, "receipt_invoke", "%s\trest\t%s\t-\t%lld", question->op,
           question->chat->chat_id, (long long)seq);
    rest_try(load->rest, "PUT", path, question->person->devices[0].token, json, on_receipt,
             question);
}

void load_receipt(struct load *load)
{
    struct question *question = draw_question(load);
    char path[96];
    if (question == NULL)
        return;
    int64_t seq = 1 + (int64_t)load_draw_index(load, (size_t)question->chat->head);
    if (load_draw_percent(load, SOCKET_PERCENT)) {
        read_on_socket(load, question, seq);
        end_question(question);
    } else if (load_draw_percent(load, LIST_PERCENT)) {
        snprintf(path, sizeof path, "/v1/chats/%s/receipts?limit=200", question->chat->chat_id);
        rest_try(load->rest, "GET", path, question->person->devices[0].token, NULL, on_list,
                 question);
    } else {
        put_receipt(load, question, seq);
    }
}
