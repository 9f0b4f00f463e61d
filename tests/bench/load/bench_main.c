/* parley-bench: see --help. One workload a process; the runner (tests/bench/run) starts Parley, makes the accounts and
 * the plan, and puts the results together. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "tests/bench/load/bench.h"

static const char help[] =
    "usage: parley-bench --mode talk|arrive|presence --plan FILE (--unix PATH | --port PORT) "
    "[options]\n"
    "       parley-bench --mode echo [--seconds S] [--bytes N]\n"
    "\n"
    "  talk     devices connect, then the plan's senders say something: prints rates and "
    "latencies\n"
    "  arrive   devices connect and take what waits for them: prints how long that took\n"
    "  presence devices follow one user, who comes and goes: prints how long the last one waits\n"
    "  echo     a ceiling: messages that cross a socket and come back, between two idle processes\n"
    "\n"
    "  --plan FILE       lines `device TOKEN` and `sender DEVICE CHAT`\n"
    "  --unix PATH       delivery's own socket; --port PORT: a port on 127.0.0.1\n"
    "  --protocol NAME   parley (default) or xmpp\n"
    "  --rate N          messages a second, of all senders together (open loop)\n"
    "  --window N        without --rate: so many unanswered for each sender (closed loop; 16)\n"
    "  --warm S          seconds before it counts (2)\n"
    "  --seconds S       that count (5)\n"
    "  --settle S        for what is on its way when the time is over (10)\n"
    "  --messages N      without --rate: it is over after so many\n"
    "  --bytes N         of a message's text (100)\n"
    "  --receivers N     other devices that each message goes to (1)\n"
    "  --at-once N       connections on their way (64)\n"
    "  --watch CHAT      parley: every device has this chat open\n"
    "  --waiting N       xmpp, arrive: messages that wait for each device (0)\n"
    "  --hold            arrive: they stay until standard input ends\n"
    "  --follow USER     presence: who is followed; the plan's last device is theirs\n"
    "  --rounds N        presence: how often they come and go (3)\n";

double bench_cpu_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* What an option's value is, and where it goes. */
enum kind { TEXT, NUMBER, REAL, FLAG };
struct option_place {
    const char *name;
    enum kind kind;
    void *value; /* const char *, int64_t, double or bool */
};

static void take_option(const struct option_place *place, const char *value)
{
    switch (place->kind) {
    case TEXT:
        *(const char **)place->value = value;
        break;
    case NUMBER:
        *(int64_t *)place->value = atoll(value);
        break;
    case REAL:
        *(double *)place->value = atof(value);
        break;
    case FLAG:
        *(bool *)place->value = true;
        break;
    }
}

static bool read_options(int argc, char **argv, struct bench_options *options)
{
    const char *protocol = "parley";
    const struct option_place places[] = {
        {"mode", TEXT, &options->mode},
        {"plan", TEXT, &options->plan},
        {"unix", TEXT, &options->place.unix_path},
        {"port", NUMBER, &options->place.port},
        {"protocol", TEXT, &protocol},
        {"rate", REAL, &options->rate},
        {"window", NUMBER, &options->window},
        {"warm", REAL, &options->warm_s},
        {"seconds", REAL, &options->run_s},
        {"settle", REAL, &options->settle_s},
        {"messages", NUMBER, &options->messages},
        {"bytes", NUMBER, &options->text_bytes},
        {"receivers", NUMBER, &options->receivers},
        {"at-once", NUMBER, &options->at_once},
        {"watch", TEXT, &device_watched_chat},
        {"waiting", NUMBER, &options->waiting},
        {"hold", FLAG, &options->is_held},
        {"follow", TEXT, &options->follow},
        {"rounds", NUMBER, &options->rounds},
    };
    enum { COUNT = sizeof places / sizeof places[0] };
    struct option names[COUNT + 2] = {[COUNT] = {"help", no_argument, NULL, 'h'}};
    for (int i = 0; i < COUNT; i++)
        names[i] = (struct option){
            places[i].name, places[i].kind == FLAG ? no_argument : required_argument, NULL, 0};
    int option, index;
    while ((option = getopt_long(argc, argv, "h", names, &index)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            exit(EX_OK);
        }
        if (option != 0)
            return false;
        take_option(&places[index], optarg);
    }
    return optind == argc && options->mode != NULL && device_choose_protocol(protocol) &&
           options->run_s > 0 && options->at_once > 0 && options->receivers > 0 &&
           options->text_bytes > 0 && options->text_bytes <= 60000;
}

static int run_plan(const struct bench_options *options, const struct bench_plan *plan)
{
    if (strcmp(options->mode, "talk") == 0)
        return bench_talk(options, plan);
    if (strcmp(options->mode, "arrive") == 0)
        return bench_arrive(options, plan);
    if (strcmp(options->mode, "presence") == 0 && options->follow != NULL && plan->token_count > 1)
        return bench_presence(options, plan);
    fputs(help, stderr);
    return EX_USAGE;
}

int main(int argc, char **argv)
{
    struct bench_options options = {.place = {.host = "127.0.0.1"},
                                    .window = 16,
                                    .warm_s = 2,
                                    .run_s = 5,
                                    .settle_s = 10,
                                    .text_bytes = 100,
                                    .receivers = 1,
                                    .at_once = 64,
                                    .rounds = 3};
    struct bench_plan plan;
    if (!read_options(argc, argv, &options)) {
        fputs(help, stderr);
        return EX_USAGE;
    }
    if (strcmp(options.mode, "echo") == 0)
        return bench_echo(&options);
    if (options.plan == NULL || (options.place.unix_path == NULL && options.place.port == 0)) {
        fputs(help, stderr);
        return EX_USAGE;
    }
    int status = bench_plan_read(options.plan, &plan) ? run_plan(&options, &plan) : EX_DATAERR;
    bench_plan_deinit(&plan);
    return status;
}
