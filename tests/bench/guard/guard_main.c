/* parley-guard: see --help. Run under callgrind by tests/bench/guard/run; by itself it says nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "services/chat/chat_settings.h"
#include "services/delivery/delivery_settings.h"
#include "shared/base/log.h"
#include "shared/daemon/daemon.h"
#include "tests/bench/guard/guard.h"

static const struct {
    const char *name;
    void (*run)(size_t iterations);
    size_t iterations; /* so that all pieces take about the same time */
    const char *what;  /* one iteration is */
} pieces[] = {
    {"frame", guard_frame, 2000, "a client's frame is unmasked and checked"},
    {"send", guard_send, 40, "32 frames are read, asked for in one request, and answered"},
    {"request", guard_request, 100, "a request of 32 messages is encoded and decoded"},
    {"append", guard_append, 40, "32 messages of 8 chats are committed and become news"},
    {"render", guard_render, 1000, "an event becomes JSON"},
    {"fan_out", guard_fan_out, 40, "an event goes to 50 devices, which acknowledge it"},
};

enum { PIECES = sizeof pieces / sizeof pieces[0] };

void guard_require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "parley-guard: %s\n", what);
    abort();
}

/* The defaults, whatever the environment says. */
static void set_up(void)
{
    const struct settings_table tables[] = {limits_settings_table, chat_settings_table,
                                            delivery_settings_table};
    char message[256];
    clearenv();
    log_init("guard", LOG_LEVEL_WARNING);
    guard_require(settings_load(tables, sizeof tables / sizeof tables[0], "guard", NULL, message,
                                sizeof message),
                  message);
    daemon_settings.run_dir = "run";
}

static int help(FILE *out, int status)
{
    fputs("usage: parley-guard PIECE [ITERATIONS]\n"
          "       parley-guard --list        names and iterations, one piece a line\n"
          "\n"
          "Does a piece of a message's way again and again, for callgrind to count. An iteration "
          "of\n",
          out);
    for (size_t i = 0; i < PIECES; i++)
        fprintf(out, "  %-10s %s\n", pieces[i].name, pieces[i].what);
    return status;
}

static int run(const char *name, const char *iterations)
{
    for (size_t i = 0; i < PIECES; i++) {
        if (strcmp(name, pieces[i].name) != 0)
            continue;
        char *end = NULL;
        size_t count = iterations != NULL ? strtoul(iterations, &end, 10) : pieces[i].iterations;
        if (count == 0 || (end != NULL && *end != '\0'))
            break;
        set_up();
        pieces[i].run(count);
        return EX_OK;
    }
    return help(stderr, EX_USAGE);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return help(stdout, EX_OK);
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < PIECES; i++)
            printf("%s %zu\n", pieces[i].name, pieces[i].iterations);
        return EX_OK;
    }
    if (argc != 2 && argc != 3)
        return help(stderr, EX_USAGE);
    return run(argv[1], argc == 3 ? argv[2] : NULL);
}
