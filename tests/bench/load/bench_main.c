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
    "usage: parley-bench --mode talk|arrive --plan FILE (--unix PATH | --port PORT) [options]\n"
    "       parley-bench --mode echo [--seconds S] [--bytes N]\n"
    "\n"
    "  talk     devices connect, then the plan's senders say something: prints rates and "
    "latencies\n"
    "  arrive   devices connect and take what waits for them: prints how long that took\n"
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
    "  --waiting N       xmpp, arrive: messages that wait for each device (0)\n"
    "  --hold            arrive: they stay until standard input ends\n";

double bench_cpu_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static bool read_options(int argc, char **argv, struct bench_options *options)
{
    static const struct option names[] = {{"mode", required_argument, NULL, 'm'},
                                          {"plan", required_argument, NULL, 'p'},
                                          {"unix", required_argument, NULL, 'u'},
                                          {"port", required_argument, NULL, 'P'},
                                          {"rate", required_argument, NULL, 'r'},
                                          {"window", required_argument, NULL, 'w'},
                                          {"warm", required_argument, NULL, 'W'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"messages", required_argument, NULL, 'M'},
                                          {"bytes", required_argument, NULL, 'b'},
                                          {"receivers", required_argument, NULL, 'R'},
                                          {"at-once", required_argument, NULL, 'a'},
                                          {"protocol", required_argument, NULL, 'x'},
                                          {"waiting", required_argument, NULL, 'i'},
                                          {"settle", required_argument, NULL, 'S'},
                                          {"hold", no_argument, NULL, 'H'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        switch (option) {
        case 'm':
            options->mode = optarg;
            break;
        case 'p':
            options->plan = optarg;
            break;
        case 'u':
            options->place.unix_path = optarg;
            break;
        case 'P':
            options->place.port = (uint16_t)atoi(optarg);
            break;
        case 'r':
            options->rate = atof(optarg);
            break;
        case 'w':
            options->window = atoll(optarg);
            break;
        case 'W':
            options->warm_s = atof(optarg);
            break;
        case 's':
            options->run_s = atof(optarg);
            break;
        case 'M':
            options->messages = strtoull(optarg, NULL, 10);
            break;
        case 'b':
            options->text_bytes = (size_t)atoll(optarg);
            break;
        case 'R':
            options->receivers = atoll(optarg);
            break;
        case 'a':
            options->at_once = atoll(optarg);
            break;
        case 'x':
            if (!device_choose_protocol(optarg))
                return false;
            break;
        case 'i':
            options->waiting = atoll(optarg);
            break;
        case 'S':
            options->settle_s = atof(optarg);
            break;
        case 'H':
            options->is_held = true;
            break;
        case 'h':
            fputs(help, stdout);
            exit(EX_OK);
        default:
            return false;
        }
    }
    return optind == argc && options->mode != NULL && options->run_s > 0 && options->at_once > 0 &&
           options->receivers > 0 && options->text_bytes > 0 && options->text_bytes <= 60000;
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
                                    .at_once = 64};
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
    if (!bench_plan_read(options.plan, &plan))
        return EX_DATAERR;
    if (strcmp(options.mode, "talk") == 0)
        return bench_talk(&options, &plan);
    if (strcmp(options.mode, "arrive") == 0)
        return bench_arrive(&options, &plan);
    fputs(help, stderr);
    return EX_USAGE;
}
