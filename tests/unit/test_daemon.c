/* The skeleton of a daemon, seen from outside: each test runs one in a child process, with a service that does what the
 * test says, and looks at its exit status, its output and its operations socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"
#include "shared/net/nng_bus.h"

#define PATIENCE_MS 8000

static char folder[64], output_path[90], ops_path[90];
static char output[65536];

/* --- the service in the child --- */

struct knobs {
    bool start_fails;
    bool redis_lacks;
    bool never_drained;
    bool never_stopped;
    int drains; /* drained after so many looks */
    bool with_bus;
};

static struct knobs knobs;

struct service {
    int looks;
    bool is_draining;
    struct nng_publisher *publisher;
};

static struct own_settings {
    int64_t size;
} own;

static const struct setting own_items[] = {{.key = "chat.size",
                                            .kind = SETTING_NUMBER,
                                            .offset = offsetof(struct own_settings, size),
                                            .fallback = "7",
                                            .minimum = 1,
                                            .maximum = 9,
                                            .help = "A size."}};

static bool service_start(struct daemon *daemon, void **service_out, char *message_out,
                          int message_size)
{
    if (knobs.start_fails) {
        snprintf(message_out, (size_t)message_size, "the moon is missing: hang one up");
        return false;
    }
    struct service *service = mem_zalloc(sizeof *service);
    assert_non_null(daemon_loop(daemon));
    if (knobs.with_bus) {
        service->publisher = nng_publisher_create(
            daemon_bus(daemon), daemon_socket_url("chat", "pub"), message_out, message_size);
        if (service->publisher == NULL) {
            mem_free(service);
            return false;
        }
    }
    *service_out = service;
    return true;
}

static void service_report(void *context, daemon_report report, void *report_context)
{
    (void)context;
    report(report_context, "postgres", true, NULL);
    report(report_context, "redis", !knobs.redis_lacks, "connection \"refused\"");
}

static void service_drain(void *context)
{
    struct service *service = context;
    service->is_draining = true;
}

static bool service_drained(void *context)
{
    struct service *service = context;
    return !knobs.never_drained && ++service->looks > knobs.drains;
}

static void service_stop(void *context)
{
    struct service *service = context;
    while (knobs.never_stopped)
        pause();
    nng_publisher_destroy(&service->publisher);
    printf("service stopped, draining %d, size %d\n", service->is_draining, (int)own.size);
    mem_free(service);
}

static int run_daemon(char **arguments)
{
    const struct daemon_service service = {.name = "chat",
                                           .settings = {own_items, 1, &own},
                                           .start = service_start,
                                           .report = service_report,
                                           .drain = service_drain,
                                           .drained = service_drained,
                                           .stop = service_stop};
    int count = 0;
    while (arguments[count] != NULL)
        count++;
    return daemon_main(&service, count, arguments);
}

/* --- the parent --- */

/* Its standard output and error go to one file. */
static pid_t spawn(char **arguments)
{
    fflush(NULL);
    pid_t child = fork();
    if (child != 0)
        return child;
    int fd = open(output_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    int status = run_daemon(arguments);
    fflush(NULL);
    exit(status); /* not _exit: LeakSanitizer looks at the end */
}

static const char *read_output(void)
{
    int fd = open(output_path, O_RDONLY);
    ssize_t size = fd < 0 ? 0 : read(fd, output, sizeof output - 1);
    output[size < 0 ? 0 : size] = '\0';
    close(fd);
    return output;
}

static int wait_for(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    read_output();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Arguments, then NULL. */
#define RUN(...) wait_for(spawn((char *[]){"parley-chat", __VA_ARGS__}))

/* The whole answer, or "" when nobody listens. */
static const char *get(const char *target)
{
    static char answer[65536];
    char request[200];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    size_t length = 0;
    strcpy(address.sun_path, ops_path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nConnection: close\r\n\r\n", target);
        send(fd, request, strlen(request), MSG_NOSIGNAL);
        for (ssize_t size; (size = read(fd, answer + length, sizeof answer - length - 1)) > 0;)
            length += (size_t)size;
    }
    close(fd);
    answer[length] = '\0';
    return answer;
}

static bool appears(const char *(*look)(const char *), const char *argument, const char *wanted)
{
    int64_t give_up_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (clock_monotonic_ms() < give_up_ms) {
        if (strstr(look(argument), wanted) != NULL)
            return true;
        usleep(10000);
    }
    return false;
}

static const char *look_at_output(const char *argument)
{
    (void)argument;
    return read_output();
}

static pid_t spawn_running(void)
{
    pid_t child = spawn((char *[]){"parley-chat", NULL});
    assert_true(appears(get, "/healthz", "{\"status\":\"ok\"}"));
    return child;
}

static int end(pid_t child)
{
    kill(child, SIGTERM);
    return wait_for(child);
}

static void assert_output_has(const char *part)
{
    if (strstr(output, part) == NULL)
        fail_msg("no «%s» in:\n%s", part, output);
}

static int start(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/parley-daemon-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(output_path, sizeof output_path, "%s/output", folder);
    snprintf(ops_path, sizeof ops_path, "%s/chat.ops", folder);
    setenv("PARLEY_RUN_DIR", folder, 1);
    unsetenv("PARLEY_CONFIG");
    knobs = (struct knobs){0};
    return 0;
}

static int stop(void **state)
{
    static const char *const names[] = {"output",   "chat.ops",      "chat.ops.lock",
                                        "chat.pub", "chat.pub.lock", "settings"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[120];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    static const char *const variables[] = {"PARLEY_ENVIRONMENT", "PARLEY_DRAIN_DEADLINE_MS",
                                            "PARLEY_CHAT_SIZE", "PARLEY_LIMITS_DEFAULT_PAGE",
                                            "PARLEY_LIMITS_MAX_PAGE"};
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
    return 0;
}

/* --- arguments and settings --- */

static void help_lists_every_setting_with_default_and_bounds(void **state)
{
    (void)state;
    unsetenv("PARLEY_RUN_DIR");
    assert_int_equal(RUN("--help", NULL), 0);
    assert_output_has("usage: parley-chat");
    assert_output_has("run_dir  (PARLEY_RUN_DIR; text; required)");
    assert_output_has("limits.max_page  (PARLEY_LIMITS_MAX_PAGE; 1 to 1000; default `200`)");
    assert_output_has("chat.size  (PARLEY_CHAT_SIZE; 1 to 9; default `7`)");
}

static void version_is_one_line(void **state)
{
    (void)state;
    assert_int_equal(RUN("--version", NULL), 0);
    assert_memory_equal(output, "parley-chat ", 12);
    assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
}

static void check_prints_what_is_in_force_without_secrets(void **state)
{
    (void)state;
    setenv("PARLEY_POSTGRES", "password=canary", 1);
    setenv("PARLEY_CHAT_SIZE", "3", 1);
    assert_int_equal(RUN("--check", NULL), 0);
    unsetenv("PARLEY_POSTGRES");
    assert_output_has("chat.size = 3\n");
    assert_output_has("postgres_user = parley_chat\n");
    assert_output_has("limits.max_members = 1000\n");
    assert_null(strstr(output, "canary"));
}

static void settings_come_from_the_file_that_is_named(void **state)
{
    char path[100];
    (void)state;
    snprintf(path, sizeof path, "%s/settings", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("chat.size = 4\nuser.anything = 1\n", file);
    fclose(file);
    assert_int_equal(RUN("--config", path, "--check", NULL), 0);
    assert_output_has("chat.size = 4\n");
    setenv("PARLEY_CONFIG", path, 1);
    assert_int_equal(RUN("--check", NULL), 0);
    assert_output_has("chat.size = 4\n");
    unsetenv("PARLEY_CONFIG");
}

static void bad_usage_and_bad_settings_end_with_64_and_a_line(void **state)
{
    (void)state;
    assert_int_equal(RUN("--nothing", NULL), 64);
    assert_output_has("see parley-chat --help");
    assert_int_equal(RUN("word", NULL), 64);
    assert_output_has("word");
    assert_int_equal(RUN("--config", NULL), 64);
    setenv("PARLEY_CHAT_SIZE", "10", 1);
    assert_int_equal(RUN("--check", NULL), 64);
    assert_output_has(
        "parley-chat: environment: PARLEY_CHAT_SIZE: must be a whole number from 1 to 9");
    unsetenv("PARLEY_CHAT_SIZE");
    unsetenv("PARLEY_RUN_DIR");
    assert_int_equal(RUN("--check", NULL), 64);
    assert_output_has("run_dir: is not set: set PARLEY_RUN_DIR");
}

static void a_default_page_above_the_largest_is_refused(void **state)
{
    (void)state;
    setenv("PARLEY_LIMITS_DEFAULT_PAGE", "60", 1);
    setenv("PARLEY_LIMITS_MAX_PAGE", "50", 1);
    assert_int_equal(RUN("--check", NULL), 64);
    assert_output_has("limits.default_page: must not be above limits.max_page");
}

/* --- the environment --- */

static void a_broken_environment_ends_with_69_and_the_mend(void **state)
{
    (void)state;
    setenv("PARLEY_RUN_DIR", "/nonexistent", 1);
    assert_int_equal(RUN(NULL), 69);
    assert_output_has("\"event\":\"start_failed\"");
    assert_output_has(
        "run_dir: /nonexistent: No such file or directory: make it with `mkdir -m 750`");
    setenv("PARLEY_RUN_DIR", "relative", 1);
    assert_int_equal(RUN(NULL), 69);
    assert_output_has("is not an absolute path");
    setenv("PARLEY_RUN_DIR", "/etc/passwd", 1);
    assert_int_equal(RUN(NULL), 69);
    assert_output_has("is not a folder");
}

static void a_service_that_cannot_start_ends_with_69_and_its_message(void **state)
{
    (void)state;
    knobs.start_fails = true;
    assert_int_equal(RUN(NULL), 69);
    assert_output_has("the moon is missing: hang one up");
    assert_null(strstr(output, "service stopped"));
}

static void production_refuses_a_folder_that_others_may_enter(void **state)
{
    (void)state;
    chmod(folder, 0755);
    setenv("PARLEY_ENVIRONMENT", "production", 1);
    assert_int_equal(RUN(NULL), 69);
    assert_output_has("others may enter it, which production refuses: chmod 750 it");
}

static void a_second_daemon_of_the_same_kind_is_refused(void **state)
{
    (void)state;
    pid_t first = spawn_running();
    assert_int_equal(RUN(NULL), 69);
    assert_output_has("another process listens here");
    assert_non_null(strstr(get("/healthz"), "200 OK"));
    assert_int_equal(end(first), 0);
}

/* --- life --- */

static void a_daemon_starts_is_ready_drains_and_stops(void **state)
{
    (void)state;
    knobs.drains = 3;
    pid_t child = spawn_running();
    const char *text = get("/readyz");
    assert_non_null(strstr(text, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(
        text, "\r\n\r\n{\"ready\":true,\"dependencies\":{\"postgres\":\"ok\",\"redis\":\"ok\"}}"));
    assert_int_equal(end(child), 0);
    const char *starting = strstr(output, "\"event\":\"starting\",\"version\":\""),
               *ready = strstr(output, "\"event\":\"ready\""),
               *draining = strstr(output, "\"event\":\"draining\""),
               *drained = strstr(output, "\"event\":\"drained\""),
               *stopped = strstr(output, "service stopped, draining 1, size 7"),
               *last = strstr(output, "\"event\":\"stopped\"");
    assert_true(starting != NULL && ready > starting && draining > ready && drained > draining);
    assert_true(stopped != NULL && last > drained);
    assert_int_equal(access(ops_path, F_OK), -1);
}

static void what_lacks_is_told_once_and_health_stays(void **state)
{
    (void)state;
    knobs.redis_lacks = true;
    pid_t child = spawn_running();
    usleep(700 * 1000); /* several looks of the watch */
    const char *text = get("/readyz");
    assert_non_null(strstr(text, "HTTP/1.1 503 "));
    assert_non_null(strstr(text, "{\"ready\":false,\"dependencies\":{\"postgres\":\"ok\",\"redis\":"
                                 "\"connection \\\"refused\\\"\"}}"));
    assert_non_null(strstr(get("/healthz"), "HTTP/1.1 200 OK"));
    assert_non_null(strstr(get("/metrics"), "\nparley_ready 0\n"));
    assert_int_equal(end(child), 0);
    const char *line = strstr(output, "\"event\":\"dependency_lacks\"");
    assert_non_null(line);
    assert_null(strstr(line + 1, "\"event\":\"dependency_lacks\""));
    assert_null(strstr(output, "\"event\":\"ready\""));
}

static void metrics_are_prometheus_text(void **state)
{
    (void)state;
    pid_t child = spawn_running();
    const char *text = get("/metrics");
    assert_non_null(strstr(text, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_non_null(strstr(text, "\nparley_ready 1\n"));
    assert_non_null(strstr(text, "\nprocess_resident_memory_bytes "));
    assert_non_null(strstr(get("/nothing"), "HTTP/1.1 404 "));
    assert_int_equal(end(child), 0);
}

static void while_it_drains_it_is_not_ready_and_the_deadline_ends_it(void **state)
{
    (void)state;
    knobs.never_drained = true;
    setenv("PARLEY_DRAIN_DEADLINE_MS", "600", 1);
    pid_t child = spawn_running();
    kill(child, SIGTERM);
    assert_true(appears(get, "/readyz", "{\"ready\":false,\"draining\":true,"));
    assert_int_equal(wait_for(child), 0);
    assert_output_has("\"event\":\"drain_deadline\"");
    assert_output_has("service stopped, draining 1");
}

static void a_second_signal_ends_it_at_once(void **state)
{
    (void)state;
    knobs.never_drained = true;
    pid_t child = spawn_running();
    kill(child, SIGINT);
    assert_true(appears(look_at_output, NULL, "\"event\":\"draining\""));
    int64_t before_ms = clock_monotonic_ms();
    kill(child, SIGINT);
    assert_int_equal(wait_for(child), 0);
    assert_true(clock_monotonic_ms() - before_ms < 3000);
    assert_output_has("\"event\":\"drain_cut_short\"");
}

static void parts_that_do_not_end_are_left_behind(void **state)
{
    (void)state;
    knobs.never_stopped = true;
    assert_int_equal(end(spawn_running()), 0);
    assert_output_has("\"event\":\"teardown_hangs\"");
}

static void sigusr1_turns_debug_logs_on_and_off(void **state)
{
    (void)state;
    pid_t child = spawn_running();
    get("/healthz");
    assert_null(strstr(read_output(), "\"level\":\"debug\""));
    kill(child, SIGUSR1);
    assert_true(appears(look_at_output, NULL, "\"event\":\"log_level\""));
    get("/healthz");
    assert_true(appears(look_at_output, NULL, "\"level\":\"debug\""));
    kill(child, SIGPIPE); /* is ignored */
    assert_int_equal(end(child), 0);
}

static void nng_gets_by_with_few_threads(void **state)
{
    char path[60];
    int threads = 0;
    (void)state;
    knobs.with_bus = true;
    pid_t child = spawn_running();
    snprintf(path, sizeof path, "/proc/%d/status", (int)child);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (char line[200]; fgets(line, sizeof line, file) != NULL;)
        sscanf(line, "Threads: %d", &threads);
    fclose(file);
    assert_true(threads > 1 && threads <= 13); /* 14 or more with two processors, 32 with eight */
    assert_int_equal(end(child), 0);
}

/* --- limits --- */

static void limits_are_one_object_of_numbers(void **state)
{
    struct buffer out = BUFFER_EMPTY;
    struct json_fault fault;
    (void)state;
    limits = (struct limits){.max_body_bytes = 65536, .max_connections_per_user = 32};
    limits_render(&out);
    struct json_document *document = json_parse(buffer_text(&out), &fault);
    assert_non_null(document);
    struct json_reader reader = json_reader_start(document, "");
    assert_int_equal(json_take_number(&reader, "max_body_bytes", JSON_REQUIRED, 0, 1 << 20), 65536);
    assert_int_equal(
        json_take_number(&reader, "max_connections_per_user", JSON_REQUIRED, 0, 1 << 20), 32);
    assert_false(reader.failed);
    assert_int_equal(limits_settings_table.count,
                     sizeof limits / sizeof(int64_t)); /* each has its row */
    json_destroy(&document);
    buffer_deinit(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(help_lists_every_setting_with_default_and_bounds),
        TEST(version_is_one_line),
        TEST(check_prints_what_is_in_force_without_secrets),
        TEST(settings_come_from_the_file_that_is_named),
        TEST(bad_usage_and_bad_settings_end_with_64_and_a_line),
        TEST(a_default_page_above_the_largest_is_refused),
        TEST(a_broken_environment_ends_with_69_and_the_mend),
        TEST(a_service_that_cannot_start_ends_with_69_and_its_message),
        TEST(production_refuses_a_folder_that_others_may_enter),
        TEST(a_second_daemon_of_the_same_kind_is_refused),
        TEST(a_daemon_starts_is_ready_drains_and_stops),
        TEST(what_lacks_is_told_once_and_health_stays),
        TEST(metrics_are_prometheus_text),
        TEST(while_it_drains_it_is_not_ready_and_the_deadline_ends_it),
        TEST(a_second_signal_ends_it_at_once),
        TEST(parts_that_do_not_end_are_left_behind),
        TEST(sigusr1_turns_debug_logs_on_and_off),
        TEST(nng_gets_by_with_few_threads),
        TEST(limits_are_one_object_of_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
