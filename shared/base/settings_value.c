/* Values of settings, and the two lists that a daemon prints of them. */
#include "shared/base/settings_value.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "shared/base/mem.h"

void settings_environment_name(const struct setting *setting, char out[SETTINGS_NAME_SIZE])
{
    int length = snprintf(out, SETTINGS_NAME_SIZE, "PARLEY_%s", setting->key);
    assert(length < SETTINGS_NAME_SIZE);
    for (int i = 0; i < length; i++)
        out[i] = out[i] == '.' ? '_' : (char)toupper((unsigned char)out[i]);
}

/* Decimal digits with an optional minus, nothing else. */
static bool parse_number(struct text value, int64_t *number_out)
{
    bool is_negative = value.length > 0 && value.data[0] == '-';
    size_t at = is_negative ? 1 : 0;
    int64_t number = 0;
    if (at == value.length)
        return false;
    for (; at < value.length; at++) {
        int digit = value.data[at] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_sub_overflow(number, digit, &number))
            return false; /* counted downwards: the lowest number has no positive twin */
    }
    return is_negative ? (*number_out = number, true)
                       : !__builtin_sub_overflow(0, number, number_out);
}

/* The length of the first choice of "a|b|c". */
static size_t choice_length(const char *choices)
{
    return strcspn(choices, "|");
}

static bool is_choice(const char *choices, struct text value)
{
    for (;;) {
        size_t length = choice_length(choices);
        if (text_equal(value, (struct text){choices, length}))
            return true;
        if (choices[length] == '\0')
            return false;
        choices += length + 1;
    }
}

static bool check_number(const struct setting *setting, struct text value, char *problem_out)
{
    int64_t number;
    if (parse_number(value, &number) && number >= setting->minimum && number <= setting->maximum)
        return true;
    snprintf(problem_out, SETTINGS_PROBLEM_SIZE,
             "must be a whole number from %" PRId64 " to %" PRId64, setting->minimum,
             setting->maximum);
    return false;
}

static bool check_string(const struct setting *setting, struct text value, char *problem_out)
{
    if ((int64_t)value.length <= setting->maximum && text_is_utf8(value))
        return true;
    snprintf(problem_out, SETTINGS_PROBLEM_SIZE, "must be text of at most %" PRId64 " bytes",
             setting->maximum);
    return false;
}

static bool check_choice(const char *choices, struct text value, char *problem_out)
{
    if (is_choice(choices, value))
        return true;
    snprintf(problem_out, SETTINGS_PROBLEM_SIZE, "must be one of %s", choices);
    return false;
}

bool settings_value_check(const struct setting *setting, struct text value,
                          char problem_out[SETTINGS_PROBLEM_SIZE])
{
    switch (setting->kind) {
    case SETTING_NUMBER:
        return check_number(setting, value, problem_out);
    case SETTING_BOOL:
        return check_choice("true|false", value, problem_out);
    case SETTING_CHOICE:
        return check_choice(setting->choices, value, problem_out);
    case SETTING_STRING:
        return check_string(setting, value, problem_out);
    }
    return false;
}

void settings_value_store(const struct setting *setting, void *target, struct text value)
{
    void *field = (char *)target + setting->offset;
    switch (setting->kind) {
    case SETTING_NUMBER:
        parse_number(value, field);
        break;
    case SETTING_BOOL:
        *(bool *)field = text_is(value, "true");
        break;
    case SETTING_STRING:
    case SETTING_CHOICE:
        *(const char **)field = text_to_string(value);
        break;
    }
}

/* --- the lists for --help and --check --- */

static void print_bounds(const struct setting *setting, FILE *out)
{
    if (setting->kind == SETTING_NUMBER)
        fprintf(out, "%" PRId64 " to %" PRId64, setting->minimum, setting->maximum);
    else if (setting->kind == SETTING_BOOL)
        fprintf(out, "true or false");
    else if (setting->kind == SETTING_CHOICE)
        fprintf(out, "%s", setting->choices);
    else
        fprintf(out, "text");
}

static void print_setting_help(const struct setting *setting, FILE *out)
{
    char name[SETTINGS_NAME_SIZE];
    settings_environment_name(setting, name);
    fprintf(out, "%s  (%s; ", setting->key, name);
    print_bounds(setting, out);
    if (setting->fallback == NULL)
        fprintf(out, "; required)\n");
    else
        fprintf(out, "; default `%s`)\n", setting->fallback);
    fprintf(out, "    %s\n", setting->help);
}

static void print_setting_value(const struct setting *setting, const void *target, FILE *out)
{
    const void *field = (const char *)target + setting->offset;
    const char *string = "";
    if (setting->kind == SETTING_STRING || setting->kind == SETTING_CHOICE)
        string = *(const char *const *)field;
    fprintf(out, "%s = ", setting->key);
    if (setting->secret)
        fprintf(out, "(not shown)\n");
    else if (setting->kind == SETTING_NUMBER)
        fprintf(out, "%" PRId64 "\n", *(const int64_t *)field);
    else if (setting->kind == SETTING_BOOL)
        fprintf(out, "%s\n", *(const bool *)field ? "true" : "false");
    else
        fprintf(out, "%s\n", string == NULL ? "" : string);
}

void settings_print_help(const struct settings_table *tables, size_t table_count, FILE *out)
{
    for (size_t i = 0; i < table_count; i++) {
        for (size_t j = 0; j < tables[i].count; j++)
            print_setting_help(&tables[i].items[j], out);
    }
}

void settings_print_values(const struct settings_table *tables, size_t table_count, FILE *out)
{
    for (size_t i = 0; i < table_count; i++) {
        for (size_t j = 0; j < tables[i].count; j++)
            print_setting_value(&tables[i].items[j], tables[i].target, out);
    }
}
