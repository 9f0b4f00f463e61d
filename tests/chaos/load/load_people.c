/* Accounts and their devices: signed up and logged in a few at a time, for each costs a hash that is slow on purpose. */
#include <stdio.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/chaos/load/load.h"
#include "tests/chaos/load/load_record.h"

#define SIDE_BY_SIDE   4
#define SLOW_PERCENT   12 /* of the devices acknowledge a second late */
#define SILENT_PERCENT 3  /* … or not at all before the end */

static void ask_account(struct load *load);

static void choose_manners(struct load_device *device)
{
    struct load *load = device->person->load;
    struct device_manners slow = {.ack_events = 1000, .ack_delay_ms = 1000}, silent = {0};
    if (load_draw_percent(load, SLOW_PERCENT))
        device_set_manners(device->client, slow);
    else if (load_draw_percent(load, SILENT_PERCENT))
        device_set_manners(device->client, silent);
    device->is_flapping = load_draw_percent(load, load->options.flapping_percent);
}

static void add_device(struct load_device *device, const cJSON *session)
{
    struct load *load = device->person->load;
    const cJSON *wire = cJSON_GetObjectItemCaseSensitive(session, "device");
    static size_t number;
    snprintf(device->label, sizeof device->label, "d%zu", ++number);
    snprintf(device->device_id, sizeof device->device_id, "%s", load_string(wire, "id"));
    snprintf(device->token, sizeof device->token, "%s", load_string(session, "token"));
    device->have = mem_array(load->chat_count, sizeof *device->have);
    record(device->label, "device", "%s\t%s", device->person->user_id, device->device_id);
    device->client = device_create(loop_base(load->loop), load->options.host, load->options.port,
                                   device->token, &load_device_callbacks, device);
    choose_manners(device);
    device_go_online(device->client);
}

static char *credentials(const struct load_person *person, const char *device_id)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "username", person->name);
    cJSON_AddStringToObject(body, "password", person->password);
    if (device_id != NULL)
        cJSON_AddStringToObject(cJSON_AddObjectToObject(body, "device"), "id", device_id);
    return load_json(body);
}

static void log_in_first(struct load_person *person);

static void on_session(void *context, int status, const cJSON *answer)
{
    struct load_person *person = context;
    struct load *load = person->load;
    if (status != 201) {
        load_done(load, "a login was refused");
        return;
    }
    struct load_device *device = &person->devices[person->device_count++];
    device->person = person;
    device->is_first = person->device_count == 1;
    add_device(device, answer);
    if (device->is_first && load_draw_percent(load, load->options.second_device_percent)) {
        log_in_first(person);
        return;
    }
    load->people_ready++;
    if (load->people_ready == load->people_count)
        load_chats_make(load);
    else
        ask_account(load);
}

static void log_in_first(struct load_person *person)
{
    char *body = credentials(person, NULL);
    rest_call(person->load->setup, "POST", "/v1/sessions", NULL, body, on_session, person);
    cJSON_free(body);
}

static void on_account(void *context, int status, const cJSON *answer)
{
    struct load_person *person = context;
    if (status != 201) {
        load_done(person->load, "an account was refused");
        return;
    }
    snprintf(person->user_id, sizeof person->user_id, "%s", load_string(answer, "id"));
    record(person->label, "user", "%s", person->user_id);
    log_in_first(person);
}

static void ask_account(struct load *load)
{
    if (load->people_asked == load->people_count)
        return;
    size_t index = load->people_asked++;
    struct load_person *person = &load->people[index];
    person->load = load;
    snprintf(person->label, sizeof person->label, "u%zu", index + 1);
    snprintf(person->name, sizeof person->name, "chaos-%s-%zu", load->run, index);
    snprintf(person->password, sizeof person->password, "%s correct horse %zu", load->run, index);
    char *body = credentials(person, NULL);
    rest_call(load->setup, "POST", "/v1/users", NULL, body, on_account, person);
    cJSON_free(body);
}

bool load_people_make(struct load *load, size_t count)
{
    load->people_count = count;
    load->people = mem_array(count, sizeof *load->people);
    for (int i = 0; i < SIDE_BY_SIDE; i++)
        ask_account(load);
    return true;
}

struct load_device *load_device_ready(struct load *load, struct load_person *person)
{
    size_t first = load_draw_index(load, person->device_count);
    for (size_t i = 0; i < person->device_count; i++) {
        struct load_device *device = &person->devices[(first + i) % person->device_count];
        if (device_is_ready(device->client))
            return device;
    }
    return NULL;
}

/* --- again --- */

static void on_logged_in_again(void *context, int status, const cJSON *answer)
{
    struct load_device *device = context;
    if (status != 201) {
        load_done(device->person->load, "a device could not log in again");
        return;
    }
    snprintf(device->token, sizeof device->token, "%s", load_string(answer, "token"));
    record(device->label, "device", "%s\t%s", device->person->user_id, device->device_id);
    device_set_token(device->client, device->token);
    device->is_ending = false;
    device_go_online(device->client);
}

void load_device_log_in(struct load_device *device)
{
    char *body = credentials(device->person, device->device_id);
    rest_call(device->person->load->setup, "POST", "/v1/sessions", NULL, body, on_logged_in_again,
              device);
    cJSON_free(body);
}
