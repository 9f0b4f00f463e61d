/* parley-replay: a real chat log through the real system, and what every member received held against it.
 *
 * People become accounts, the channel a group chat, lines messages, joins and leaves membership. Everybody has a device on
 * the WebSocket; some go offline now and then and come back, one is offline for the whole replay. The script is followed
 * in order: up to WINDOW messages are on their way at once, a joining or leaving waits for all before it. */
#include <cjson/cJSON.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/client/client_device.h"
#include "tests/client/client_rest.h"
#include "tests/replay/replay_check.h"
#include "tests/replay/replay_log.h"

#define WINDOW             16
#define REST_CONNECTIONS   8
#define OFFLINE_ONE_IN     40 /* of the script's steps somebody goes offline */
#define OFFLINE_STEPS      60 /* and comes back after so many */
#define SENDER_BACK_ONE_IN 10 /* ticks: one who has unanswered messages */
#define MAX_OFFLINE        64
#define PROGRESS_MS        1000
#define DRAIN_DEADLINE_MS  120000
#define LOG_PAGE           200

struct member {
    struct replay *replay;
    size_t index;
    char user_id[24];
    char token[64];
    struct device *device;
    bool present;
    bool syncing, sync_again;
    int64_t sync_after; /* the last event of the page before */
    size_t back_at;     /* the step at which they come online again; 0: not planned */
};

struct replay {
    struct event_base *base;
    struct event *pump, *progress, *tick;
    const char *host;
    uint16_t port;
    struct rest *rest;
    struct replay_log log;
    struct check *check;
    struct member *
        members; /* people of the log, then the keeper, who owns the chat and is offline throughout */
    size_t member_count;
    size_t ready_accounts, asked_accounts;
    char run[12]; /* makes usernames and client ids of this run unique */
    char chat[24];
    size_t step, in_flight, message;
    bool rest_busy, script_done, draining, reading_log;
    size_t offline_count;
    int64_t started_ms, script_started_ms, drain_deadline_ms, log_after;
    int64_t stretch_ms; /* the script takes at least so long: room for faults */
    bool failed;
};

static void wake(struct replay *replay)
{
    event_active(replay->pump, EV_TIMEOUT, 0);
}

static void fail(struct replay *replay, const char *what, int status)
{
    fprintf(stderr, "replay: %s (status %d)\n", what, status);
    replay->failed = true;
    event_base_loopbreak(replay->base);
}

static const char *field(const cJSON *object, const char *name)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return value == NULL ? "" : value;
}

static struct member *keeper_of(struct replay *replay)
{
    return &replay->members[replay->member_count - 1];
}

/* --- sync, after the server said that an inbox cannot be trusted --- */

static void start_sync(struct member *member);
static void ask_sync(struct member *member);

static void on_synced(void *context, int status, const cJSON *answer)
{
    struct member *member = context;
    const cJSON *chat = cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItemCaseSensitive(answer, "chats"), member->replay->chat);
    const cJSON *event;
    member->syncing = false;
    if (status != 200) {
        fail(member->replay, "sync was refused", status);
        return;
    }
    cJSON_ArrayForEach(event, cJSON_GetObjectItemCaseSensitive(chat, "events"))
    {
        check_received(member->replay->check, member->index, event, true);
        member->sync_after = (int64_t)cJSON_GetObjectItemCaseSensitive(event, "seq")->valuedouble;
    }
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(chat, "more")))
        ask_sync(member);
    else if (member->sync_again)
        start_sync(member);
}

static void ask_sync(struct member *member)
{
    char body[128];
    member->syncing = true;
    snprintf(body, sizeof body, "{\"chats\":{\"%s\":%lld},\"limit\":200}", member->replay->chat,
             (long long)member->sync_after);
    rest_call(member->replay->rest, "POST", "/v1/sync", member->token, body, on_synced, member);
}

static void start_sync(struct member *member)
{
    member->sync_again = member->syncing;
    if (member->syncing)
        return;
    member->sync_after = check_contiguous_seq(member->replay->check, member->index);
    ask_sync(member);
}

/* --- what the devices tell --- */

static void on_event(void *context, int64_t connection, int64_t n, const cJSON *event)
{
    (void)connection;
    (void)n;
    struct member *member = context;
    if (strcmp(field(event, "chat"), member->replay->chat) == 0)
        check_received(member->replay->check, member->index, event, false);
}

static void on_sent(void *context, const struct device_send *send, int64_t seq)
{
    struct member *member = context;
    struct replay *replay = member->replay;
    const char *number = send->client_id + strlen(send->client_id) - 8;
    check_sent(replay->check, strtoul(number, NULL, 10), seq);
    replay->in_flight--;
    wake(replay);
}

static void on_refused(void *context, const struct device_send *send, const char *code)
{
    struct member *member = context;
    if (strcmp(code, "rate_limited") == 0)
        return; /* the device waits and tries again */
    fprintf(stderr, "replay: message %s was refused: %s\n", send->client_id, code);
    fail(member->replay, "a message was refused", 0);
}

static void on_ready(void *context, int64_t connection, const cJSON *ready)
{
    struct member *member = context;
    (void)connection;
    (void)ready;
    check_new_connection(member->replay->check, member->index);
}

static void on_resync(void *context, int64_t connection)
{
    (void)connection;
    start_sync(context);
}

static void create_device(struct member *member)
{
    static const struct device_callbacks callbacks = {.on_event = on_event,
                                                      .on_sent = on_sent,
                                                      .on_refused = on_refused,
                                                      .on_ready = on_ready,
                                                      .on_resync = on_resync};
    struct replay *replay = member->replay;
    member->device =
        device_create(replay->base, replay->host, replay->port, member->token, &callbacks, member);
}

/* --- accounts and the chat --- */

static void ask_account(struct replay *replay);

static void on_session(void *context, int status, const cJSON *answer)
{
    struct member *member = context;
    struct replay *replay = member->replay;
    if (status != 201) {
        fail(replay, "a login was refused", status);
        return;
    }
    snprintf(member->token, sizeof member->token, "%s", field(answer, "token"));
    snprintf(member->user_id, sizeof member->user_id, "%s",
             field(cJSON_GetObjectItemCaseSensitive(answer, "user"), "id"));
    create_device(member);
    replay->ready_accounts++;
    ask_account(replay);
    wake(replay);
}

static void on_account(void *context, int status, const cJSON *answer)
{
    struct member *member = context;
    char body[256];
    /* username_taken: an earlier try of ours was answered too late */
    if (status != 201 && strcmp(field(answer, "code"), "username_taken") != 0) {
        fail(member->replay, "an account was refused", status);
        return;
    }
    snprintf(body, sizeof body,
             "{\"username\":\"irc-%s-%zu\",\"password\":\"%s correct horse %zu\"}",
             member->replay->run, member->index, member->replay->run, member->index);
    rest_call(member->replay->rest, "POST", "/v1/sessions", NULL, body, on_session, member);
}

static void ask_account(struct replay *replay)
{
    if (replay->asked_accounts == replay->member_count)
        return;
    struct member *member = &replay->members[replay->asked_accounts++];
    cJSON *body = cJSON_CreateObject();
    char text[64];
    snprintf(text, sizeof text, "irc-%s-%zu", replay->run, member->index);
    cJSON_AddStringToObject(body, "username", text);
    snprintf(text, sizeof text, "%s correct horse %zu", replay->run, member->index);
    cJSON_AddStringToObject(body, "password", text);
    cJSON_AddStringToObject(body, "display_name",
                            member == keeper_of(replay) ? "keeper"
                                                        : replay->log.people[member->index].nick);
    char *printed = cJSON_PrintUnformatted(body);
    rest_call(replay->rest, "POST", "/v1/users", NULL, printed, on_account, member);
    cJSON_free(printed);
    cJSON_Delete(body);
}

static void on_chat(void *context, int status, const cJSON *answer)
{
    struct replay *replay = context;
    replay->rest_busy = false;
    if (status != 201) {
        fail(replay, "the chat was refused", status);
        return;
    }
    snprintf(replay->chat, sizeof replay->chat, "%s", field(answer, "id"));
    for (size_t i = 0; i < replay->member_count; i++) {
        struct member *member = &replay->members[i];
        member->present = member == keeper_of(replay) || replay->log.people[i].from_the_start;
        if (member->present)
            check_joined(replay->check, i);
        if (member != keeper_of(replay))
            device_go_online(member->device);
    }
    replay->script_started_ms = clock_monotonic_ms();
    fprintf(stderr, "replay: the script begins\n"); /* tests/replay/run waits for this line */
    wake(replay);
}

static void create_chat(struct replay *replay)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "kind", "group");
    cJSON_AddStringToObject(body, "title", "replay");
    cJSON *members = cJSON_AddArrayToObject(body, "members");
    for (size_t i = 0; i + 1 < replay->member_count; i++)
        if (replay->log.people[i].from_the_start)
            cJSON_AddItemToArray(members, cJSON_CreateString(replay->members[i].user_id));
    char *printed = cJSON_PrintUnformatted(body);
    replay->rest_busy = true;
    rest_call(replay->rest, "POST", "/v1/chats", keeper_of(replay)->token, printed, on_chat,
              replay);
    cJSON_free(printed);
    cJSON_Delete(body);
}

/* --- the script --- */

static void on_member_changed(void *context, int status, const cJSON *answer)
{
    struct member *member = context;
    struct replay *replay = member->replay;
    (void)answer;
    replay->rest_busy = false;
    /* not_member: an earlier try of ours, answered too late, has removed them */
    bool removed_before = !member->present && (status == 403 || status == 404);
    if (status != 200 && status != 204 && !removed_before) {
        fail(replay, "a change of membership was refused", status);
        return;
    }
    if (member->present)
        check_joined(replay->check, member->index);
    wake(replay);
}

static void change_member(struct replay *replay, struct member *member, bool joins)
{
    char path[128];
    snprintf(path, sizeof path, "/v1/chats/%s/members/%s", replay->chat, member->user_id);
    member->present = joins;
    replay->rest_busy = true;
    if (!joins)
        check_leaving(replay->check, member->index);
    rest_call(replay->rest, joins ? "PUT" : "DELETE", path,
              joins ? keeper_of(replay)->token : member->token, joins ? "{}" : NULL,
              on_member_changed, member);
}

static void come_back(struct replay *replay, struct member *member)
{
    member->back_at = 0;
    replay->offline_count--;
    device_go_online(member->device);
}

static void say(struct replay *replay, struct member *member, const char *text)
{
    char client_id[40];
    snprintf(client_id, sizeof client_id, "%s-%08zu", replay->run, replay->message);
    if (member->back_at != 0)
        come_back(replay, member);
    check_sending(replay->check, replay->message++, client_id, text);
    replay->in_flight++;
    device_send(member->device, replay->chat, client_id, text);
}

/* Somebody loses their network, and those whose time has come find it again. */
static void shuffle_devices(struct replay *replay)
{
    for (size_t i = 0; replay->offline_count > 0 && i + 1 < replay->member_count; i++)
        if (replay->members[i].back_at != 0 && replay->members[i].back_at <= replay->step)
            come_back(replay, &replay->members[i]);
    if (randombytes_uniform(OFFLINE_ONE_IN) != 0 || replay->offline_count >= MAX_OFFLINE)
        return;
    struct member *member =
        &replay->members[randombytes_uniform((uint32_t)replay->member_count - 1)];
    if (member->back_at != 0 || !device_is_ready(member->device))
        return;
    member->back_at = replay->step + 1 + randombytes_uniform(OFFLINE_STEPS);
    replay->offline_count++;
    device_go_offline(member->device);
}

/* The step that a stretched script may have reached by now. */
static size_t allowed_step(const struct replay *replay)
{
    int64_t elapsed_ms = clock_monotonic_ms() - replay->script_started_ms;
    if (elapsed_ms >= replay->stretch_ms)
        return replay->log.action_count;
    return (size_t)elapsed_ms * replay->log.action_count / (size_t)replay->stretch_ms;
}

static void follow_script(struct replay *replay)
{
    size_t allowed = allowed_step(replay);
    while (replay->step < allowed && !replay->rest_busy && replay->in_flight < WINDOW) {
        struct replay_action *action = &replay->log.actions[replay->step];
        if (action->kind != REPLAY_MESSAGE && replay->in_flight > 0)
            return;
        replay->step++;
        shuffle_devices(replay);
        if (action->kind == REPLAY_MESSAGE)
            say(replay, &replay->members[action->person], action->text);
        else
            change_member(replay, &replay->members[action->person], action->kind == REPLAY_JOIN);
    }
    if (replay->step == replay->log.action_count && replay->in_flight == 0 && !replay->rest_busy)
        replay->script_done = true;
}

/* --- the end: everybody comes online and gets what they lack; then the log itself is read --- */

static void start_draining(struct replay *replay)
{
    replay->draining = true;
    replay->drain_deadline_ms = clock_monotonic_ms() + DRAIN_DEADLINE_MS;
    for (size_t i = 0; i < replay->member_count; i++) {
        replay->members[i].back_at = 0;
        device_go_online(replay->members[i].device);
    }
}

static bool is_drained(struct replay *replay)
{
    for (size_t i = 0; i < replay->member_count; i++)
        if (!check_is_complete(replay->check, i) || replay->members[i].syncing)
            return false;
    return true;
}

static void on_log_page(void *context, int status, const cJSON *answer)
{
    struct replay *replay = context;
    const cJSON *event;
    if (status != 200) {
        fail(replay, "the log cannot be read", status);
        return;
    }
    cJSON_ArrayForEach(event, cJSON_GetObjectItemCaseSensitive(answer, "items"))
    {
        check_log_event(replay->check, event);
        replay->log_after = (int64_t)cJSON_GetObjectItemCaseSensitive(event, "seq")->valuedouble;
    }
    replay->reading_log = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "more"));
    if (!replay->reading_log) {
        event_base_loopbreak(replay->base);
        return;
    }
    char path[128];
    snprintf(path, sizeof path, "/v1/chats/%s/events?after=%lld&limit=%d", replay->chat,
             (long long)replay->log_after, LOG_PAGE);
    rest_call(replay->rest, "GET", path, keeper_of(replay)->token, NULL, on_log_page, replay);
}

static void read_log(struct replay *replay)
{
    char path[128];
    replay->reading_log = true;
    snprintf(path, sizeof path, "/v1/chats/%s/events?after=0&limit=%d", replay->chat, LOG_PAGE);
    rest_call(replay->rest, "GET", path, keeper_of(replay)->token, NULL, on_log_page, replay);
}

static void on_pump(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct replay *replay = context;
    if (replay->ready_accounts < replay->member_count || replay->rest_busy)
        return;
    if (replay->chat[0] == '\0')
        create_chat(replay);
    else if (!replay->script_done)
        follow_script(replay);
    if (replay->script_done && !replay->draining)
        start_draining(replay);
    if (replay->draining && !replay->reading_log &&
        (is_drained(replay) || clock_monotonic_ms() > replay->drain_deadline_ms))
        read_log(replay);
}

static void on_progress(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct replay *replay = context;
    if (replay->chat[0] == '\0')
        fprintf(stderr, "replay: accounts %zu of %zu\n", replay->ready_accounts,
                replay->member_count);
    else if (!replay->draining)
        fprintf(stderr, "replay: line %zu of %zu, %zu offline, %llu events received\n",
                replay->step, replay->log.action_count, replay->offline_count,
                (unsigned long long)device_statistics.frames);
    else
        fprintf(stderr, "replay: waiting for %zu deliveries\n", check_missing(replay->check));
}

/* The script may wait for messages of people who have lost their network in mid-send: they find it again by and by. */
static void bring_senders_back(struct replay *replay)
{
    for (size_t i = 0; replay->offline_count > 0 && i + 1 < replay->member_count; i++) {
        struct member *member = &replay->members[i];
        if (member->back_at != 0 && device_has_outgoing(member->device) &&
            randombytes_uniform(SENDER_BACK_ONE_IN) == 0)
            come_back(replay, member);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    if (!((struct replay *)context)->draining)
        bring_senders_back(context);
    wake(context);
}

/* --- set-up --- */

static void create_members(struct replay *replay)
{
    replay->member_count = replay->log.person_count + 1;
    replay->members = mem_array(replay->member_count, sizeof *replay->members);
    for (size_t i = 0; i < replay->member_count; i++) {
        replay->members[i].replay = replay;
        replay->members[i].index = i;
    }
    size_t messages = 0;
    for (size_t i = 0; i < replay->log.action_count; i++)
        messages += replay->log.actions[i].kind == REPLAY_MESSAGE;
    replay->check = check_create(replay->member_count, messages);
}

static void run(struct replay *replay)
{
    struct timeval period = {PROGRESS_MS / 1000, 0}, tick = {0, 20000};
    unsigned char random[4];
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(replay->run, sizeof replay->run, random, sizeof random);
    replay->base = event_base_new();
    replay->pump = event_new(replay->base, -1, 0, on_pump, replay);
    replay->progress = event_new(replay->base, -1, EV_PERSIST, on_progress, replay);
    replay->tick = event_new(replay->base, -1, EV_PERSIST, on_tick, replay);
    evtimer_add(replay->progress, &period);
    evtimer_add(replay->tick, &tick);
    replay->rest = rest_create(replay->base, replay->host, replay->port, REST_CONNECTIONS);
    create_members(replay);
    replay->started_ms = clock_monotonic_ms();
    for (int i = 0; i < REST_CONNECTIONS; i++)
        ask_account(replay);
    event_base_dispatch(replay->base);
}

static int report(struct replay *replay)
{
    struct check_totals totals = check_finish(replay->check);
    int64_t now_ms = clock_monotonic_ms();
    printf("replay: accounts=%zu messages=%llu deliveries=%llu lost=%llu duplicated=%llu "
           "out_of_order=%llu leaked=%llu "
           "altered=%llu repeated=%llu connects=%llu resumed=%llu inboxes=%llu resyncs=%llu "
           "passed_over=%zu "
           "seconds=%.1f script_seconds=%.1f\n",
           replay->member_count, (unsigned long long)totals.messages,
           (unsigned long long)totals.deliveries, (unsigned long long)totals.lost,
           (unsigned long long)totals.duplicated, (unsigned long long)totals.out_of_order,
           (unsigned long long)totals.leaked, (unsigned long long)totals.altered,
           (unsigned long long)totals.repeated, (unsigned long long)device_statistics.connects,
           (unsigned long long)device_statistics.resumed,
           (unsigned long long)device_statistics.inboxes,
           (unsigned long long)device_statistics.resyncs, replay->log.passed_over,
           (double)(now_ms - replay->started_ms) / 1000.0,
           (double)(now_ms - replay->script_started_ms) / 1000.0);
    bool good = !replay->failed && totals.messages > 0 && totals.deliveries > 0 &&
                totals.lost == 0 && totals.duplicated == 0 && totals.out_of_order == 0 &&
                totals.leaked == 0 && totals.altered == 0;
    return good ? 0 : 1;
}

static void release(struct replay *replay)
{
    for (size_t i = 0; i < replay->member_count; i++)
        device_destroy(&replay->members[i].device);
    rest_destroy(&replay->rest);
    event_free(replay->pump);
    event_free(replay->progress);
    event_free(replay->tick);
    event_base_free(replay->base);
    check_destroy(&replay->check);
    replay_log_deinit(&replay->log);
    mem_free(replay->members);
}

static void print_help(void)
{
    printf("parley-replay --log FILE [--host 127.0.0.1] [--port 8080] [--seconds 0]\n\n"
           "Replays a chat log through a running Parley and checks what every member received. "
           "Ends with a summary\n"
           "line. --seconds stretches the script, to leave room for faults. Exit status 0 when "
           "nothing was lost,\n"
           "duplicated, out of order, leaked or altered.\n");
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"log", required_argument, NULL, 'l'},  {"host", required_argument, NULL, 'h'},
        {"port", required_argument, NULL, 'p'}, {"seconds", required_argument, NULL, 's'},
        {"help", no_argument, NULL, '?'},       {NULL, 0, NULL, 0}};
    struct replay replay = {.host = "127.0.0.1", .port = 8080};
    const char *path = NULL;
    char message[256];
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'l')
            path = optarg;
        else if (option == 'h')
            replay.host = optarg;
        else if (option == 'p')
            replay.port = (uint16_t)strtoul(optarg, NULL, 10);
        else if (option == 's')
            replay.stretch_ms = strtol(optarg, NULL, 10) * 1000;
        else {
            print_help();
            return 0;
        }
    }
    if (path == NULL || sodium_init() < 0) {
        print_help();
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!replay_log_read(path, &replay.log, message, sizeof message)) {
        fprintf(stderr, "replay: %s\n", message);
        return 64;
    }
    run(&replay);
    int status = report(&replay);
    release(&replay);
    return status;
}
