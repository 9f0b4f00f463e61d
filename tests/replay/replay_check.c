#include "tests/replay/replay_check.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"

#define CLIENT_ID_DIGITS 8 /* client ids end in the message's number */

struct message {
    char *text;
    int64_t seq;
    uint32_t in_log;
};

/* A stay of a person: messages from..to-1 are theirs; to is open while they belong. */
struct stay {
    size_t from, to;
};

struct person {
    struct stay *stays;
    size_t stay_count;
    uint8_t *received;  /* per message */
    int64_t last_seq;   /* on this connection */
    uint8_t *seen_seqs; /* a bit per seq, all event types, for the contiguous seq */
    size_t seen_capacity;
    int64_t contiguous;
};

struct check {
    struct message *messages;
    size_t message_count, started;
    struct person *people;
    size_t person_count;
    struct check_totals totals;
};

struct check *check_create(size_t person_count, size_t message_count)
{
    struct check *check = mem_zalloc(sizeof *check);
    check->people = mem_array(person_count + 1, sizeof *check->people);
    check->person_count = person_count;
    check->messages = mem_array(message_count + 1, sizeof *check->messages);
    check->message_count = message_count;
    for (size_t i = 0; i < person_count; i++)
        check->people[i].received = mem_zalloc(message_count + 1);
    return check;
}

void check_destroy(struct check **check)
{
    if (*check == NULL)
        return;
    for (size_t i = 0; i < (*check)->person_count; i++) {
        mem_free((*check)->people[i].stays);
        mem_free((*check)->people[i].received);
        mem_free((*check)->people[i].seen_seqs);
    }
    for (size_t i = 0; i < (*check)->message_count; i++)
        mem_free((*check)->messages[i].text);
    mem_free((*check)->people);
    mem_free((*check)->messages);
    mem_free(*check);
    *check = NULL;
}

void check_joined(struct check *check, size_t index)
{
    struct person *person = &check->people[index];
    person->stays = mem_resize(person->stays, (person->stay_count + 1) * sizeof *person->stays);
    person->stays[person->stay_count++] = (struct stay){check->started, SIZE_MAX};
}

void check_leaving(struct check *check, size_t index)
{
    struct person *person = &check->people[index];
    person->stays[person->stay_count - 1].to = check->started;
}

void check_sending(struct check *check, size_t message, const char *client_id, const char *text)
{
    (void)client_id;
    check->messages[message].text = mem_string(text);
    check->started = message + 1;
}

void check_sent(struct check *check, size_t message, int64_t seq)
{
    if (check->messages[message].seq != 0 && check->messages[message].seq != seq)
        check->totals.duplicated++;
    if (check->messages[message].seq == 0)
        check->totals.messages++;
    check->messages[message].seq = seq;
}

void check_new_connection(struct check *check, size_t person)
{
    check->people[person].last_seq = 0;
}

static bool belongs(const struct person *person, size_t message)
{
    for (size_t i = 0; i < person->stay_count; i++)
        if (message >= person->stays[i].from && message < person->stays[i].to)
            return true;
    return false;
}

static int64_t seq_of(const cJSON *event)
{
    const cJSON *seq = cJSON_GetObjectItemCaseSensitive(event, "seq");
    return cJSON_IsNumber(seq) ? (int64_t)seq->valuedouble : 0;
}

/* The number of the message that an event carries, or SIZE_MAX; counts it as altered when it is not what was sent. */
static size_t message_of(struct check *check, const cJSON *event)
{
    const char *client_id =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "client_id"));
    const cJSON *body = cJSON_GetObjectItemCaseSensitive(event, "body");
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, "text"));
    if (client_id == NULL || strlen(client_id) < CLIENT_ID_DIGITS)
        return SIZE_MAX;
    size_t message = strtoul(client_id + strlen(client_id) - CLIENT_ID_DIGITS, NULL, 10);
    if (message >= check->started) {
        check->totals.altered++;
        return SIZE_MAX;
    }
    if (text == NULL || strcmp(text, check->messages[message].text) != 0)
        check->totals.altered++;
    return message;
}

static void mark_seen(struct person *person, int64_t seq)
{
    size_t index = (size_t)seq;
    if (index >= person->seen_capacity) {
        size_t capacity = index + 1024;
        person->seen_seqs = mem_resize(person->seen_seqs, capacity);
        memset(person->seen_seqs + person->seen_capacity, 0, capacity - person->seen_capacity);
        person->seen_capacity = capacity;
    }
    person->seen_seqs[index] = 1;
    while ((size_t)person->contiguous + 1 < person->seen_capacity &&
           person->seen_seqs[person->contiguous + 1])
        person->contiguous++;
}

void check_received(struct check *check, size_t index, const cJSON *event, bool by_sync)
{
    struct person *person = &check->people[index];
    int64_t seq = seq_of(event);
    if (seq <= 0) {
        check->totals.altered++;
        return;
    }
    bool again = (size_t)seq < person->seen_capacity && person->seen_seqs[seq];
    mark_seen(person, seq);
    if (!by_sync) {
        if (seq == person->last_seq)
            check->totals.duplicated++;
        else if (seq < person->last_seq)
            check->totals.out_of_order++;
        person->last_seq = seq;
    }
    if (again) {
        check->totals
            .repeated++; /* over several connections the wire may repeat: the application drops it by seq */
        return;
    }
    size_t message = message_of(check, event);
    if (message == SIZE_MAX)
        return;
    if (!belongs(person, message))
        check->totals.leaked++;
    if (person->received[message])
        check->totals.duplicated++; /* the same message under another seq */
    person->received[message] = 1;
    check->totals.deliveries++;
}

int64_t check_contiguous_seq(const struct check *check, size_t person)
{
    return check->people[person].contiguous;
}

static size_t missing_of(const struct check *check, const struct person *person)
{
    size_t missing = 0;
    for (size_t i = 0; i < person->stay_count; i++)
        for (size_t m = person->stays[i].from; m < person->stays[i].to && m < check->started; m++)
            missing += !person->received[m];
    return missing;
}

bool check_is_complete(const struct check *check, size_t person)
{
    return missing_of(check, &check->people[person]) == 0;
}

size_t check_missing(const struct check *check)
{
    size_t missing = 0;
    for (size_t i = 0; i < check->person_count; i++)
        missing += missing_of(check, &check->people[i]);
    return missing;
}

void check_log_event(struct check *check, const cJSON *event)
{
    size_t message = message_of(check, event);
    if (message == SIZE_MAX)
        return;
    if (check->messages[message].in_log++ > 0)
        check->totals.duplicated++;
    if (check->messages[message].seq != seq_of(event))
        check->totals.out_of_order++;
}

struct check_totals check_finish(struct check *check)
{
    struct check_totals totals = check->totals;
    totals.lost += check_missing(check);
    for (size_t i = 0; i < check->started; i++)
        totals.lost += check->messages[i].in_log == 0;
    return totals;
}
