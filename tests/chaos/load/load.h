/* The judged load: people with devices in chats, who do what a seed draws, and a record of all that was seen
 * (README.md, "A history"). Nothing here judges. */
#ifndef PARLEY_CHAOS_LOAD_H
#define PARLEY_CHAOS_LOAD_H

#include <cjson/cJSON.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/net/loop.h"
#include "tests/client/client_device.h"
#include "tests/client/client_rest.h"

#define LOAD_ID_SIZE   24
#define LOAD_TEXT_MAX  16000
#define LOAD_NAME_SIZE 40

struct load;
struct load_person;

/* Which seqs of one chat a device has. */
struct load_have {
    uint8_t *bits;
    int64_t capacity;   /* in bits */
    int64_t contiguous; /* everything from 1 up to here, counting what may never come for it */
};

struct load_device {
    struct load_person *person;
    char label[12];
    char device_id[LOAD_ID_SIZE];
    char token[96];
    struct device *client;
    struct load_have *have; /* by chat index */
    bool is_first;          /* of its person: its session is never ended by the load */
    bool is_flapping;
    bool is_ending; /* its session is being ended */
    bool syncing, sync_again;
    bool must_sync; /* it was told to, and its sync has failed */
    char sync_op[CLIENT_OP_SIZE];
    char read_op[CLIENT_OP_SIZE]; /* of a `read` on the socket that is not answered; "": none */
    int64_t back_at_ms;           /* when it comes online again; 0: it is online */
    int64_t leave_at_ms;          /* when it goes offline */
};

struct load_person {
    struct load *load;
    char label[12];
    char user_id[LOAD_ID_SIZE];
    char name[LOAD_NAME_SIZE];
    char password[LOAD_NAME_SIZE];
    struct load_device devices[2];
    size_t device_count;
};

struct load_chat {
    char chat_id[LOAD_ID_SIZE];
    size_t size;
    struct load_person **people; /* who may ever be in it; the first is the owner */
    bool *is_member;             /* as far as the load knows */
    bool changing;               /* a change of membership is on its way */
    int64_t head;                /* the highest seq that was seen */
};

struct load_options {
    const char *host, *history, *chats, *tap;
    uint16_t port;
    unsigned long seed;
    double seconds, sends_per_second, offline_percent, flapping_percent, repeat_percent,
        second_device_percent;
    double member_changes_per_second, revokes_per_second, pages_per_second, receipts_per_second,
        actions_per_second;
};

enum load_phase { LOAD_MAKING, LOAD_RUNNING, LOAD_DRAINING, LOAD_READING, LOAD_DONE };

struct load {
    struct load_options options;
    struct loop *loop;
    struct rest *setup; /* with retries: for making and for the final reads */
    struct rest *rest;  /* single tries */
    enum load_phase phase;
    bool paused, failed;
    unsigned short random[3];
    char run[9]; /* makes names and bodies unique */
    struct load_person *people;
    size_t people_count, people_ready, people_asked;
    struct load_chat *chats;
    size_t chat_count, chats_ready;
    size_t tries; /* single REST calls on their way */
    uint64_t messages;
    int64_t started_ms, last_event_ms;
    size_t syncs; /* on their way */
};

/* --- load_draw.c: what the seed gives --- */
double load_draw(struct load *load);                       /* 0 <= x < 1 */
size_t load_draw_index(struct load *load, size_t count);   /* 0 <= i < count */
bool load_draw_percent(struct load *load, double percent); /* true so often */

/* --- load_people.c --- */
bool load_people_make(struct load *load,
                      size_t count); /* begins; load_people_made follows for each */
struct load_device *load_device_ready(struct load *load,
                                      struct load_person *person); /* NULL: none is online */
void load_device_log_in(struct load_device *device); /* again, with its id; then it goes online */

/* --- load_device.c: what devices see --- */
extern const struct device_callbacks load_device_callbacks;
void load_device_received(struct load_device *device, const cJSON *event);
void load_device_sync(struct load_device *device);
struct load_chat *load_chat_of(struct load *load, const char *chat_id, size_t *index_out);

/* --- load_chats.c --- */
bool load_chats_plan(struct load *load,
                     size_t *people_out); /* from options.chats; false: not of its form */
void load_chats_make(struct load *load);

/* --- load_script.c: who does what when --- */
void load_script_start(struct load *load);
void load_script_stop(struct load *load);

/* --- load_messages.c --- */
void load_message_draw(struct load *load, struct load_chat *chat);
void load_message_from(struct load *load, struct load_chat *chat, struct load_person *person);
void load_message_repeat(struct load *load);
void load_message_stored(struct load_person *person, const struct device_send *send, int64_t seq);

/* A message that was stored, and whoever sent it. */
struct load_stored {
    struct load_person *person;
    char *chat, *client_id, *text;
    int64_t seq;
};
const struct load_stored *load_stored_draw(struct load *load); /* NULL: there is none yet */

/* --- load_actions.c --- */
void load_action(struct load *load);

/* --- load_members.c, load_revoke.c, load_reads.c --- */
void load_member_change(struct load *load);
void load_revoke(struct load *load);
void load_page(struct load *load);
void load_receipt(struct load *load);
void load_receipt_frame(struct load_device *device, const cJSON *receipt);

/* --- load_drain.c --- */
void load_drain(struct load *load);

/* --- load_main.c --- */
void load_made(struct load *load); /* accounts and chats are there */
void load_done(struct load *load, const char *failure);

/* --- load_tap.c: what is published between the daemons --- */
bool load_tap_start(struct load *load);

/* The JSON of an object, to be freed with cJSON_free; the object is deleted. */
char *load_json(cJSON *object);
const char *load_string(const cJSON *object, const char *name); /* "" when there is none */
int64_t load_number(const cJSON *object, const char *name);     /* 0 when there is none */
/* How a single try has ended: NULL for a definite answer, else why it is unknown. */
const char *load_unknown(int status);

#endif
