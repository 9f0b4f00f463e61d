/* Log lines: one JSON object each, whatever bytes a peer sends, and never too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shared/base/buffer.h"
#include "shared/base/json.h"
#include "shared/base/log.h"

/* Standard error goes into a file while a test logs. */
static struct {
    int saved, file;
    char content[1 << 20];
} capture;

static void capture_start(void)
{
    fflush(stderr);
    capture.saved = dup(STDERR_FILENO);
    capture.file = memfd_create("log", 0);
    dup2(capture.file, STDERR_FILENO);
}

static const char *capture_end(void)
{
    dup2(capture.saved, STDERR_FILENO);
    close(capture.saved);
    ssize_t length = pread(capture.file, capture.content, sizeof capture.content - 1, 0);
    close(capture.file);
    assert_true(length >= 0);
    capture.content[length] = '\0';
    return capture.content;
}

static int count_lines(const char *content)
{
    int count = 0;
    for (; *content != '\0'; content++)
        count += *content == '\n' ? 1 : 0;
    return count;
}

/* The one captured line, parsed; the caller destroys it. */
static struct json_document *only_line(void)
{
    const char *content = capture_end();
    struct json_fault fault;
    assert_int_equal(count_lines(content), 1);
    struct json_document *document = json_parse(text_of(content), &fault);
    if (document == NULL)
        fail_msg("not JSON (%s %s): %s", fault.pointer, fault.reason, content);
    return document;
}

static void a_line_has_time_level_service_event_and_its_fields(void **state)
{
    (void)state;
    log_init("chat", LOG_LEVEL_INFO);
    capture_start();
    log_info("lease_acquired", LOG_NUMBER("partition", -3), LOG_ID("chat", INT64_MAX),
             LOG_STRING("owner", "me"), LOG_TEXT("part", ((struct text){"abcdef", 3})));
    struct json_document *line = only_line();
    struct json_reader reader = json_reader_start(line, "");
    struct json_fault fault;
    assert_int_equal(json_take_text(&reader, "time", JSON_REQUIRED, 24, 24).data[10], 'T');
    assert_true(text_is(json_take_text(&reader, "level", JSON_REQUIRED, 0, 99), "info"));
    assert_true(text_is(json_take_text(&reader, "service", JSON_REQUIRED, 0, 99), "chat"));
    assert_true(text_is(json_take_text(&reader, "event", JSON_REQUIRED, 0, 99), "lease_acquired"));
    assert_int_equal(json_take_number(&reader, "partition", JSON_REQUIRED, -10, 10), -3);
    assert_int_equal(json_take_id(&reader, "chat", JSON_REQUIRED), INT64_MAX);
    assert_true(text_is(json_take_text(&reader, "owner", JSON_REQUIRED, 0, 99), "me"));
    assert_true(text_is(json_take_text(&reader, "part", JSON_REQUIRED, 0, 99), "abc"));
    assert_true(json_reader_finish(&reader, &fault));
    json_destroy(&line);
}

static void hostile_text_never_makes_a_second_line_nor_breaks_the_first(void **state)
{
    (void)state;
    static const char hostile[] = "a\r\n{\"level\":\"error\"}\"\\\x01\x1b[31m\0b\xff\xc3";
    capture_start();
    log_info("peer", LOG_TEXT("said", ((struct text){hostile, sizeof hostile - 1})),
             LOG_STRING("nothing", NULL), LOG_TEXT("none", TEXT_NONE));
    const char *content = capture_end();
    assert_int_equal(count_lines(content), 1);
    assert_non_null(strstr(content, "\"said\":\"a\\r\\n{\\\"level\\\":\\\"error\\\"}\\\"\\\\\\u0001"
                                    "\\u001b[31m\\u0000b\xEF\xBF\xBD\xEF\xBF\xBD\""));
    assert_non_null(strstr(content, "\"nothing\":null,\"none\":null}\n"));
}

static void a_long_text_is_cut_at_a_character(void **state)
{
    (void)state;
    char text[4001];
    for (size_t i = 0; i < 4000; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    text[4000] = '\0';
    capture_start();
    log_info("long", LOG_STRING("odd", text + 2), LOG_TEXT("even", ((struct text){text, 4000})));
    struct json_document *line = only_line();
    struct json_reader reader = json_reader_start(line, "");
    assert_int_equal(json_take_text(&reader, "odd", JSON_REQUIRED, 0, 5000).length, 1024);
    json_destroy(&line);
}

static void what_is_below_the_level_is_not_written(void **state)
{
    (void)state;
    capture_start();
    log_set_level(LOG_LEVEL_WARNING);
    log_debug("no");
    log_info("no");
    log_warning("yes_warning");
    log_error("yes_error");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("yes_debug");
    log_set_level(LOG_LEVEL_INFO);
    const char *content = capture_end();
    assert_int_equal(count_lines(content), 3);
    assert_null(strstr(content, "\"no\""));
    assert_non_null(strstr(content, "{\"time\":"));
}

static void a_storm_of_one_warning_is_limited_and_counted(void **state)
{
    (void)state;
    capture_start();
    for (int i = 0; i < 1000; i++)
        log_warning("storm");
    log_warning("another");
    usleep(1100 * 1000);
    log_warning("storm");
    log_warning("storm");
    const char *content = capture_end();
    assert_in_range(count_lines(content), 13, 23); /* the 1,000 may lie across two seconds */
    assert_non_null(strstr(content, "\"another\""));
    const char *said = strstr(content, "\"suppressed\":9");
    assert_non_null(said); /* 990, or 980 across two seconds */
    assert_null(strstr(said + 1, "\"suppressed\""));
}

static void errors_are_never_limited(void **state)
{
    (void)state;
    capture_start();
    for (int i = 0; i < 100; i++)
        log_error("broken");
    assert_int_equal(count_lines(capture_end()), 100);
}

static void more_events_than_places_are_still_written(void **state)
{
    (void)state;
    static char names[300][24];
    capture_start();
    for (int i = 0; i < 300; i++) {
        snprintf(names[i], sizeof names[i], "event_%d", i);
        log_warning(names[i]);
    }
    assert_int_equal(count_lines(capture_end()), 300);
}

static void logging_leaves_errno_alone(void **state)
{
    (void)state;
    capture_start();
    dup2(open("/dev/full", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    errno = ENOENT;
    log_error("disk_full");
    assert_int_equal(errno, ENOENT);
    capture_end();
}

static void *log_many(void *text)
{
    for (int i = 0; i < 500; i++)
        log_info("thread", LOG_STRING("text", text));
    return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state)
{
    (void)state;
    pthread_t threads[4];
    char texts[4][301];
    capture_start();
    fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
    for (int i = 0; i < 4; i++) {
        memset(texts[i], 'a' + i, 300);
        texts[i][300] = '\0';
        pthread_create(&threads[i], NULL, log_many, texts[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    char *line = (char *)(uintptr_t)capture_end();
    assert_int_equal(count_lines(line), 2000);
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        struct json_fault fault;
        struct json_document *document =
            json_parse((struct text){line, (size_t)(end - line)}, &fault);
        assert_non_null(document);
        json_destroy(&document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_service_event_and_its_fields),
        cmocka_unit_test(hostile_text_never_makes_a_second_line_nor_breaks_the_first),
        cmocka_unit_test(a_long_text_is_cut_at_a_character),
        cmocka_unit_test(what_is_below_the_level_is_not_written),
        cmocka_unit_test(a_storm_of_one_warning_is_limited_and_counted),
        cmocka_unit_test(errors_are_never_limited),
        cmocka_unit_test(more_events_than_places_are_still_written),
        cmocka_unit_test(logging_leaves_errno_alone),
        cmocka_unit_test(lines_of_several_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
