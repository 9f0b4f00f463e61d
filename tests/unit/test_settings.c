/* Settings: environment over file over default; every mistake named with its place and its mend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/mem.h"
#include "shared/base/settings.h"

struct common {
    const char *run_dir;
    const char *password;
    int64_t limits_page;
};

struct own {
    int64_t partitions;
    int64_t offset;
    bool strict;
    const char *mode;
};

static struct common common;
static struct own own;

static const struct setting common_items[] = {
    {"run_dir", SETTING_STRING, offsetof(struct common, run_dir), NULL, 0, 20, NULL,
     "Folder of the sockets.", false},
    {"db.password", SETTING_STRING, offsetof(struct common, password), "", 0, 100, NULL,
     "Password.", true},
    {"limits.page", SETTING_NUMBER, offsetof(struct common, limits_page), "50", 1, 200, NULL,
     "Items of a page.", false},
};

static const struct setting own_items[] = {
    {"chat.partitions", SETTING_NUMBER, offsetof(struct own, partitions), "16", 1, 1024, NULL,
     "Partitions.", false},
    {"chat.offset", SETTING_NUMBER, offsetof(struct own, offset), "-1", INT64_MIN, INT64_MAX, NULL,
     "Offset in ms.", false},
    {"chat.strict", SETTING_BOOL, offsetof(struct own, strict), "true", 0, 0, NULL, "Strict.",
     false},
    {"chat.mode", SETTING_CHOICE, offsetof(struct own, mode), "development", 0, 0,
     "development|production", "Mode.", false},
};

static const struct settings_table tables[] = {
    {common_items, 3, &common},
    {own_items, 4, &own},
};

static char message[300];
static char path[64];

static const char *write_file(const char *content)
{
    strcpy(path, "/tmp/parley-settings-XXXXXX");
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, content, strlen(content)), strlen(content));
    close(file);
    return path;
}

static void free_strings(void)
{
    mem_free((char *)(uintptr_t)common.run_dir);
    mem_free((char *)(uintptr_t)common.password);
    mem_free((char *)(uintptr_t)own.mode);
    common = (struct common){0};
    own = (struct own){0};
}

static bool load(const char *content)
{
    free_strings();
    strcpy(message, "none");
    bool ok = settings_load(tables, 2, "chat", content == NULL ? NULL : write_file(content),
                            message, sizeof message);
    if (content != NULL)
        unlink(path);
    return ok;
}

static int clean_environment(void **state)
{
    (void)state;
    clearenv();
    setenv("PARLEY_RUN_DIR", "/run", 1);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    free_strings();
    return 0;
}

static void defaults_are_used_when_nothing_is_said(void **state)
{
    (void)state;
    assert_true(load(NULL));
    assert_string_equal(common.run_dir, "/run");
    assert_string_equal(common.password, "");
    assert_int_equal(own.partitions, 16);
    assert_int_equal(own.offset, -1);
    assert_true(own.strict);
    assert_string_equal(own.mode, "development");
}

static void the_file_beats_the_default_and_the_environment_the_file(void **state)
{
    (void)state;
    setenv("PARLEY_CHAT_PARTITIONS", "8", 1);
    assert_true(load(
        "# a comment\n\n  chat.partitions = 4\r\nchat.strict=false\n"
        "chat.mode =  production  \ndb.password = a b#c=d\nchat.offset = -9223372036854775808"));
    assert_int_equal(own.partitions, 8);
    assert_false(own.strict);
    assert_string_equal(own.mode, "production");
    assert_string_equal(common.password, "a b#c=d");
    assert_int_equal(own.offset, INT64_MIN);
}

static void an_empty_environment_value_counts_as_set(void **state)
{
    (void)state;
    setenv("PARLEY_DB_PASSWORD", "", 1);
    assert_true(load("db.password = x\n"));
    assert_string_equal(common.password, "");
    setenv("PARLEY_CHAT_PARTITIONS", "", 1);
    assert_false(load(NULL));
    assert_string_equal(message, "environment: PARLEY_CHAT_PARTITIONS: must be a whole number from "
                                 "1 to 1024");
}

static void keys_of_other_services_are_passed_over(void **state)
{
    (void)state;
    assert_true(load("user.threads = 2\ndelivery.anything = %&!\n"));
}

#define TEN_BYTES "0123456789"

static const struct {
    const char *content;
    const char *want; /* after the file's name */
} mistakes[] = {
    {"\nchat.partition = 4\n", ":2: chat.partition: is no known setting: see --help"},
    {"limits.pages = 4\n", ":1: limits.pages: is no known setting"},
    {"verbose = 1\n", ":1: verbose: is no known setting"},
    {"chat.partitions = 0\n", ":1: chat.partitions: must be a whole number from 1 to 1024"},
    {"chat.partitions = 1025\n", ":1: chat.partitions: must be a whole"},
    {"chat.partitions = 4x\n", ":1: chat.partitions: must be a whole"},
    {"chat.partitions = 4.0\n", ":1: chat.partitions: must be a whole"},
    {"chat.partitions = +4\n", ":1: chat.partitions: must be a whole"},
    {"chat.partitions = -\n", ":1: chat.partitions: must be a whole"},
    {"chat.partitions =\n", ":1: chat.partitions: must be a whole"},
    {"chat.offset = 9223372036854775808\n", ":1: chat.offset: must be a whole"},
    {"chat.offset = -9223372036854775809\n", ":1: chat.offset: must be a whole"},
    {"chat.offset = 99999999999999999999999\n", ":1: chat.offset: must be a whole"},
    {"chat.strict = yes\n", ":1: chat.strict: must be one of true|false"},
    {"chat.mode = prod\n", ":1: chat.mode: must be one of development|production"},
    {"chat.mode = development|production\n", ":1: chat.mode: must be one of"},
    {"run_dir = /a/very/long/path/indeed\n", ":1: run_dir: must be text of at most 20 bytes"},
    {"run_dir = \xff\n", ":1: run_dir: must be text"},
    {"chat.strict\n", ":1: chat.strict: has no `=`"},
    {"chat.strict = true\n#\nchat.strict = true\n",
     ":3: chat.strict: is there twice, first in line 1"},
    /* What it quotes is short, and cannot pass for another line or steer a terminal. */
    {"\x1b[31m\rchat\xff = 1\n", ":1: ?[31m?chat?: is no known setting"},
    {"a\rb\n", ":1: a?b: has no `=`"},
    {TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES " = 1\n",
     ":1: " TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES ": is no known setting"},
};

static void a_mistake_in_the_file_names_file_line_and_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        char want[200];
        assert_false(load(mistakes[i].content));
        snprintf(want, sizeof want, "%s%s", path, mistakes[i].want);
        if (strncmp(message, want, strlen(want)) != 0)
            fail_msg("got: %s\nwant: %s", message, want);
        assert_null(own.mode); /* nothing is stored by halves */
    }
}

static void a_bad_value_in_the_file_is_a_mistake_though_the_environment_overrides_it(void **state)
{
    (void)state;
    setenv("PARLEY_CHAT_PARTITIONS", "8", 1);
    assert_false(load("chat.partitions = many\n"));
}

static void a_secret_is_never_in_a_message_nor_in_the_list_of_values(void **state)
{
    (void)state;
    char long_secret[200] = "", *printed;
    size_t size;
    memset(long_secret, 's', 150);
    setenv("PARLEY_DB_PASSWORD", long_secret, 1);
    assert_false(load(NULL));
    assert_null(strstr(message, "sss"));
    setenv("PARLEY_DB_PASSWORD", "sssecret", 1);
    assert_true(load(NULL));
    FILE *out = open_memstream(&printed, &size);
    settings_print_values(tables, 2, out);
    fclose(out);
    assert_string_equal(printed, "run_dir = /run\ndb.password = (not shown)\nlimits.page = 50\n"
                                 "chat.partitions = 16\nchat.offset = -1\nchat.strict = true\n"
                                 "chat.mode = development\n");
    free(printed);
}

static void what_is_required_and_missing_is_named_with_the_mend(void **state)
{
    (void)state;
    unsetenv("PARLEY_RUN_DIR");
    assert_false(load(NULL));
    assert_string_equal(message, "run_dir: is not set: set PARLEY_RUN_DIR, or write `run_dir = …` "
                                 "into a settings file");
}

static void a_file_that_is_missing_or_none_is_named(void **state)
{
    (void)state;
    assert_false(settings_load(tables, 2, "chat", "/nonexistent/file", message, sizeof message));
    assert_non_null(strstr(message, "/nonexistent/file: cannot be read (No such file"));
    assert_false(settings_load(tables, 2, "chat", "/dev/zero", message, sizeof message));
    assert_non_null(strstr(message, "/dev/zero"));
    assert_false(settings_load(tables, 2, "chat", "/tmp", message, sizeof message));
    assert_non_null(strstr(message, "/tmp"));
}

static void the_help_has_key_environment_bounds_and_default(void **state)
{
    (void)state;
    char *printed;
    size_t size;
    FILE *out = open_memstream(&printed, &size);
    settings_print_help(tables, 2, out);
    fclose(out);
    assert_non_null(strstr(printed, "run_dir  (PARLEY_RUN_DIR; text; required)\n    Folder of"));
    assert_non_null(strstr(printed, "chat.partitions  (PARLEY_CHAT_PARTITIONS; 1 to 1024; default "
                                    "`16`)\n    Partitions.\n"));
    free(printed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, clean_environment, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_used_when_nothing_is_said),
        TEST(the_file_beats_the_default_and_the_environment_the_file),
        TEST(an_empty_environment_value_counts_as_set),
        TEST(keys_of_other_services_are_passed_over),
        TEST(a_mistake_in_the_file_names_file_line_and_key),
        TEST(a_bad_value_in_the_file_is_a_mistake_though_the_environment_overrides_it),
        TEST(a_secret_is_never_in_a_message_nor_in_the_list_of_values),
        TEST(what_is_required_and_missing_is_named_with_the_mend),
        TEST(a_file_that_is_missing_or_none_is_named),
        TEST(the_help_has_key_environment_bounds_and_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
