/* parley-chaos-load: arguments, the phases of a run, and what is told to whoever started it. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "tests/chaos/load/load.h"
#include "tests/chaos/load/load_record.h"

#define SETUP_CONNECTIONS 8
#define TRY_CONNECTIONS   24
#define PROGRESS_MS       1000

/* --- what all parts use --- */

char *load_json(cJSON *object)
{
    char *json = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    return json;
}

const char *load_string(const cJSON *object, const char *name)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return value == NULL ? "" : value;
}

int64_t load_number(const cJSON *object, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(value) ? (int64_t)value->valuedouble : 0;
}

const char *load_unknown(int status)
{
    if (status == 0)
        return "lost";
    return status >= 502 ? "unavailable" : NULL;
}

/* --- the phases --- */

static void say_progress(void *context)
{
    const struct load *load = context;
    if (load->phase == LOAD_MAKING)
        fprintf(stderr, "load: %zu of %zu accounts, %zu of %zu chats\n", load->people_ready,
                load->people_count, load->chats_ready, load->chat_count);
    else
        fprintf(stderr, "load: %s, %llu messages, %llu events received, %llu connections\n",
                load->phase == LOAD_RUNNING ? "running" : "draining",
                (unsigned long long)load->messages, (unsigned long long)device_statistics.frames,
                (unsigned long long)device_statistics.connects);
}

void load_made(struct load *load)
{
    load->phase = LOAD_RUNNING;
    load->started_ms = clock_monotonic_ms();
    load_script_start(load);
    printf("load: ready\n");
    fflush(stdout);
}

void load_done(struct load *load, const char *failure)
{
    if (failure != NULL)
        fprintf(stderr, "load: %s\n", failure);
    load->failed = load->failed || failure != NULL;
    load->phase = LOAD_DONE;
    loop_stop(load->loop);
}

static void on_second(void *context)
{
    struct load *load = context;
    double ran_s = (double)(clock_monotonic_ms() - load->started_ms) / 1000;
    say_progress(load);
    if (load->phase == LOAD_RUNNING && load->options.seconds > 0 && ran_s >= load->options.seconds)
        load_drain(load);
}

static void obey(struct load *load, const char *line)
{
    if (strcmp(line, "drain") == 0)
        load_drain(load);
    else if (strcmp(line, "pause") == 0 || strcmp(line, "resume") == 0)
        load->paused = line[0] == 'p';
    else
        fprintf(stderr, "load: '%s' is not one of: drain, pause, resume\n", line);
}

static void on_input(evutil_socket_t fd, short what, void *context)
{
    struct load *load = context;
    static char line[64];
    static size_t length;
    char byte;
    (void)what;
    if (read(fd, &byte, 1) <= 0) {
        load_drain(load);
        return;
    }
    if (byte != '\n') {
        length = length < sizeof line - 1 ? length + 1 : length;
        line[length - 1] = byte;
        return;
    }
    line[length] = '\0';
    length = 0;
    obey(load, line);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
    (void)number;
    (void)what;
    load_drain(context);
}

/* --- arguments --- */

static void print_help(void)
{
    printf(
        "usage: parley-chaos-load --port P --history FOLDER [--host 127.0.0.1] [--seed 1] "
        "[--seconds 0]\n"
        "       [--chats 2x20,10x6,100x1] [--sends-per-second 40] [--offline-percent 20]\n"
        "       [--flapping-percent 5] [--repeat-percent 5] [--second-device-percent 20]\n"
        "       [--member-changes-per-second 0.5] [--revokes-per-second 0.2]\n"
        "       [--pages-per-second 5] [--receipts-per-second 5] [--actions-per-second 3] [--tap "
        "RUN_DIR]\n\n"
        "Makes accounts and chats in a running Parley, lets devices talk as the seed draws, and "
        "writes what\n"
        "was seen to FOLDER/load.tsv (tests/chaos/README.md). Says `load: ready` when it talks. "
        "Lines on\n"
        "standard input: drain, pause, resume. Ends after a drain: at `drain`, at the end of the "
        "input, at\n"
        "SIGTERM, or after so many seconds. Exit status 0, or 1 when it could not do its work.\n");
}

enum { TEXT_OPTIONS = 4 };

static bool read_arguments(int argc, char **argv, struct load_options *options)
{
    static const struct option names[] = {
        {"host", required_argument, NULL, 0},
        {"history", required_argument, NULL, 1},
        {"chats", required_argument, NULL, 2},
        {"tap", required_argument, NULL, 3},
        {"port", required_argument, NULL, 4},
        {"seed", required_argument, NULL, 5},
        {"seconds", required_argument, NULL, 6},
        {"sends-per-second", required_argument, NULL, 7},
        {"offline-percent", required_argument, NULL, 8},
        {"flapping-percent", required_argument, NULL, 9},
        {"repeat-percent", required_argument, NULL, 10},
        {"second-device-percent", required_argument, NULL, 11},
        {"member-changes-per-second", required_argument, NULL, 12},
        {"revokes-per-second", required_argument, NULL, 13},
        {"pages-per-second", required_argument, NULL, 14},
        {"receipts-per-second", required_argument, NULL, 15},
        {"actions-per-second", required_argument, NULL, 16},
        {NULL, 0, NULL, 0}};
    const char **texts[TEXT_OPTIONS] = {&options->host, &options->history, &options->chats,
                                        &options->tap};
    double port = 0, seed = 1;
    double *numbers[] = {&port,
                         &seed,
                         &options->seconds,
                         &options->sends_per_second,
                         &options->offline_percent,
                         &options->flapping_percent,
                         &options->repeat_percent,
                         &options->second_device_percent,
                         &options->member_changes_per_second,
                         &options->revokes_per_second,
                         &options->pages_per_second,
                         &options->receipts_per_second,
                         &options->actions_per_second};
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (option == '?')
            return false;
        if (option < TEXT_OPTIONS)
            *texts[option] = optarg;
        else
            *numbers[option - TEXT_OPTIONS] = strtod(optarg, NULL);
    }
    options->port = (uint16_t)port;
    options->seed = (unsigned long)seed;
    return optind == argc && options->port != 0 && options->history != NULL;
}

/* --- life --- */

static void seed_load(struct load *load)
{
    unsigned char name[4];
    randombytes_buf(name,
                    sizeof name); /* another one each time: names in one Parley must not meet */
    sodium_bin2hex(load->run, sizeof load->run, name, sizeof name);
    load->random[0] = (unsigned short)load->options.seed;
    load->random[1] = (unsigned short)(load->options.seed >> 16);
    load->random[2] = 0x330E;
}

static bool start(struct load *load)
{
    size_t people;
    load->loop = loop_create();
    if (!load_chats_plan(load, &people)) {
        fprintf(stderr, "load: --chats is '%s'; give sizes and numbers as 2x20,10x6\n",
                load->options.chats);
        return false;
    }
    if (!record_open(load->loop, load->options.history))
        return false;
    if (load->options.tap != NULL && !load_tap_start(load)) {
        fprintf(stderr, "load: cannot subscribe in %s\n", load->options.tap);
        return false;
    }
    load->setup = rest_create(loop_base(load->loop), load->options.host, load->options.port,
                              SETUP_CONNECTIONS);
    load->rest =
        rest_create(loop_base(load->loop), load->options.host, load->options.port, TRY_CONNECTIONS);
    return load_people_make(load, people);
}

static int run(struct load *load)
{
    if (!start(load))
        return EXIT_FAILURE;
    struct event_base *base = loop_base(load->loop);
    struct loop_timer *second = loop_timer_create(load->loop, on_second, load);
    struct event *input = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, load);
    struct event *stop = evsignal_new(base, SIGTERM, on_signal, load);
    loop_timer_repeat(second, PROGRESS_MS);
    event_add(input, NULL);
    event_add(stop, NULL);
    loop_run(load->loop);
    say_progress(load);
    record_close();
    return load->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct load load = {.options = {.host = "127.0.0.1",
                                    .chats = "2x20,10x6,100x1",
                                    .sends_per_second = 40,
                                    .offline_percent = 20,
                                    .flapping_percent = 5,
                                    .repeat_percent = 5,
                                    .second_device_percent = 20,
                                    .member_changes_per_second = 0.5,
                                    .revokes_per_second = 0.2,
                                    .pages_per_second = 5,
                                    .receipts_per_second = 5,
                                    .actions_per_second = 3}};
    bool asked = argc == 2 && strcmp(argv[1], "--help") == 0;
    if (asked || !read_arguments(argc, argv, &load.options) || sodium_init() < 0) {
        print_help();
        return asked ? EXIT_SUCCESS : 64;
    }
    signal(SIGPIPE, SIG_IGN);
    seed_load(&load);
    return run(&load);
}
