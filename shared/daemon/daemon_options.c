/* Arguments, and the settings that every daemon has. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "shared/base/mem.h"
#include "shared/daemon/daemon_internal.h"

#define VERSION "0.1.0"

struct daemon_settings daemon_settings;

/* clang-format off: a table */
#define FIELD(name) .key = #name, .offset = offsetof(struct daemon_settings, name)
#define NUMBER(name, default_, minimum_, maximum_, help_)                                   \
    {                                                                                       \
        FIELD(name), .kind = SETTING_NUMBER, .fallback = (default_), .minimum = (minimum_), \
                     .maximum = (maximum_), .help = (help_)                                 \
    }

static const struct setting items[] = {
    {FIELD(run_dir), .kind = SETTING_STRING, .maximum = 90,
     .help = "Folder of the sockets of all daemons; nobody else may enter it."},
    {FIELD(environment), .kind = SETTING_CHOICE, .fallback = "development",
     .choices = "development|production",
     .help = "production refuses what is safe on a developer's machine only."},
    {FIELD(log_level), .kind = SETTING_CHOICE, .fallback = "info",
     .choices = "debug|info|warning|error",
     .help = "The least level that is logged; SIGUSR1 turns debug on and off."},
    {FIELD(postgres), .kind = SETTING_STRING, .fallback = "", .maximum = 1024, .secret = true,
     .help = "Conninfo or URI of the Postgres server, without user; empty: libpq's own defaults."},
    {FIELD(postgres_user), .kind = SETTING_STRING, .fallback = "", .maximum = 63,
     .help = "Role in Postgres; empty: parley_ and the name of the service."},
    {FIELD(postgres_password_file), .kind = SETTING_STRING, .fallback = "", .maximum = 1024,
     .help = "File with the role's password; empty: none. It is read at each connect."},
    {FIELD(redis), .kind = SETTING_STRING, .fallback = "127.0.0.1:6379", .maximum = 256,
     .help = "Path of the Unix socket of Redis, or host:port."},
    NUMBER(drain_deadline_ms, "10000", 100, 600000,
           "Milliseconds that work in progress has at a stop."),
    NUMBER(request_deadline_ms, "10000", 100, 60000,
           "Milliseconds from a REST request's arrival to its answer."),
    NUMBER(rpc_deadline_ms, "3000", 50, 60000,
           "Milliseconds that one request to another daemon may take."),
    NUMBER(statement_timeout_ms, "3000", 50, 60000,
           "Milliseconds that one statement in Postgres may take."),
    NUMBER(max_header_bytes, "16384", 1024, 1048576, "Bytes of the head of a REST request."),
    NUMBER(max_requests, "1024", 1, 1000000,
           "REST requests in progress; more are answered unavailable."),
    NUMBER(idle_timeout_ms, "75000", 100, 3600000,
           "Milliseconds that a REST connection may be idle."),
};
/* clang-format on */

enum { TABLES = 3 };

struct arguments {
    const char *config;
    bool wants_help, wants_check, wants_version;
};

const char *daemon_version(void)
{
    return VERSION;
}

static bool read_arguments(int argc, char **argv, struct arguments *arguments_out)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {"check", no_argument, NULL, 'c'},
        {"config", required_argument, NULL, 'f'},
        {NULL, 0, NULL, 0},
    };
    *arguments_out = (struct arguments){.config = getenv("PARLEY_CONFIG")};
    optind = 0; /* anew: tests read more than once */
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        arguments_out->wants_help |= option == 'h';
        arguments_out->wants_version |= option == 'v';
        arguments_out->wants_check |= option == 'c';
        if (option == 'f')
            arguments_out->config = optarg;
        if (option == '?')
            return false;
    }
    if (optind < argc)
        fprintf(stderr, "%s: unexpected argument '%s'\n", argv[0], argv[optind]);
    return optind == argc;
}

static void print_help(const struct daemon_service *service, const struct settings_table *tables)
{
    printf("usage: parley-%s [--config FILE] [--check] [--version] [--help]\n\n"
           "  --config FILE  settings, `key = value` in lines; default: PARLEY_CONFIG, else none\n"
           "  --check        reads the settings, prints them, and exits\n\n"
           "Every setting can stand in the file or, with more weight, in the environment:\n\n",
           service->name);
    settings_print_help(tables, TABLES, stdout);
}

/* A copy, for it lives as long as the process, as the others do. */
static void use_default_role(const struct daemon_service *service)
{
    struct buffer role = BUFFER_EMPTY;
    if (*daemon_settings.postgres_user != '\0')
        return;
    buffer_append_format(&role, "parley_%s", service->name);
    mem_free((void *)(uintptr_t)daemon_settings.postgres_user);
    daemon_settings.postgres_user = text_to_string(buffer_text(&role));
    buffer_deinit(&role);
}

static bool check_limits(char *message_out, size_t message_size)
{
    if (limits.default_page <= limits.max_page)
        return true;
    snprintf(message_out, message_size, "limits.default_page: must not be above limits.max_page");
    return false;
}

static void print_only(const struct daemon_service *service, const struct settings_table *tables,
                       const struct arguments *arguments)
{
    if (arguments->wants_help)
        print_help(service, tables);
    else
        printf("parley-%s %s\n", service->name, VERSION);
}

static bool load(const struct daemon_service *service, const struct settings_table *tables,
                 const char *file)
{
    char message[512];
    if (settings_load(tables, TABLES, service->name, file, message, sizeof message) &&
        check_limits(message, sizeof message)) {
        use_default_role(service);
        return true;
    }
    fprintf(stderr, "parley-%s: %s\n", service->name, message);
    return false;
}

bool daemon_options_read(const struct daemon_service *service, int argc, char **argv,
                         int *status_out)
{
    const struct settings_table tables[TABLES] = {
        {items, sizeof items / sizeof items[0], &daemon_settings},
        limits_settings_table,
        service->settings};
    struct arguments arguments;
    *status_out = EX_USAGE;
    if (!read_arguments(argc, argv, &arguments)) {
        fprintf(stderr, "see parley-%s --help\n", service->name);
        return false;
    }
    bool only_prints = arguments.wants_help || arguments.wants_version;
    if (!only_prints && !load(service, tables, arguments.config))
        return false;
    *status_out = EX_OK;
    if (only_prints)
        print_only(service, tables, &arguments);
    else if (arguments.wants_check)
        settings_print_values(tables, TABLES, stdout);
    return !only_prints && !arguments.wants_check;
}
