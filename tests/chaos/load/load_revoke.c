/* Sessions end: a second device is logged out, or a new password ends it; a while later it logs in again. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/chaos/load/load.h"
#include "tests/chaos/load/load_record.h"

#define PASSWORD_PERCENT 15
#define BACK_AFTER_S     2 /* after the second in which its connection must end */

struct revoke {
    struct load_device *device; /* whose session ends */
    bool by_password;
    char password[LOAD_NAME_SIZE];
    char op[CLIENT_OP_SIZE];
    struct event *later;
    bool is_done, was_looked_at;
};

static void try_revoke(struct revoke *revoke);

/* What came in time may have waited in the kernel while the load was busy with others: it is read before anybody may say
 * that something came too late. */
static void look(struct revoke *revoke)
{
    struct timeval back = {BACK_AFTER_S, 0};
    int64_t connection = device_connection(revoke->device->client);
    device_read_now(revoke->device->client);
    record(revoke->device->label, "looked", "%" PRId64, connection);
    revoke->was_looked_at = true;
    evtimer_add(revoke->later, &back);
}

static void on_later(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct revoke *revoke = context;
    if (!revoke->is_done) {
        try_revoke(revoke);
        return;
    }
    if (!revoke->was_looked_at) {
        look(revoke);
        return;
    }
    load_device_log_in(revoke->device);
    event_free(revoke->later);
    mem_free(revoke);
}

static const char *actor_of(const struct revoke *revoke)
{
    return revoke->by_password ? revoke->device->person->devices[0].label : revoke->device->label;
}

static void on_revoked(void *context, int status, const cJSON *answer)
{
    struct revoke *revoke = context;
    struct load_person *person = revoke->device->person;
    struct timeval again = {0, 300000}, second = {1, 20000};
    (void)answer;
    person->load->tries--;
    /* 401: a try before, whose answer was lost; 403: the same with a password. */
    bool was_done = revoke->by_password ? status == 403 : status == 401;
    if (status != 204 && !was_done) {
        record(actor_of(revoke), "revoke_unknown", "%s\t%s", revoke->op,
               load_unknown(status) != NULL ? load_unknown(status) : "refused");
        evtimer_add(revoke->later, &again);
        return;
    }
    record(actor_of(revoke), "revoke_ok", "%s", revoke->op);
    if (revoke->by_password)
        snprintf(person->password, sizeof person->password, "%s", revoke->password);
    device_stay_offline_once_closed(revoke->device->client);
    revoke->is_done = true;
    evtimer_add(revoke->later, &second);
}

static void try_revoke(struct revoke *revoke)
{
    struct load_person *person = revoke->device->person;
    client_new_op(revoke->op);
    record(actor_of(revoke), "revoke_invoke", "%s\t%s\t%s", revoke->op,
           revoke->by_password ? "password" : "logout", actor_of(revoke));
    person->load->tries++;
    if (!revoke->by_password) {
        rest_try(person->load->rest, "DELETE", "/v1/sessions/current", revoke->device->token, NULL,
                 on_revoked, revoke);
        return;
    }
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "old_password", person->password);
    cJSON_AddStringToObject(body, "new_password", revoke->password);
    char *json = load_json(body);
    rest_try(person->load->rest, "PUT", "/v1/users/me/password", person->devices[0].token, json,
             on_revoked, revoke);
    cJSON_free(json);
}

void load_revoke(struct load *load)
{
    struct load_person *person = &load->people[load_draw_index(load, load->people_count)];
    for (size_t tries = 0; person->device_count < 2 && tries < 100; tries++)
        person = &load->people[load_draw_index(load, load->people_count)];
    struct load_device *device = &person->devices[1];
    if (person->device_count < 2 || device->is_ending || device->is_flapping ||
        !device_is_ready(device->client) || device_has_outgoing(device->client))
        return;
    struct revoke *revoke = mem_zalloc(sizeof *revoke);
    revoke->device = device;
    revoke->by_password = load_draw_percent(load, PASSWORD_PERCENT);
    snprintf(revoke->password, sizeof revoke->password, "%s new horse %zu", load->run,
             load_draw_index(load, 1000000));
    revoke->later = evtimer_new(loop_base(load->loop), on_later, revoke);
    device->is_ending = true;
    try_revoke(revoke);
}
