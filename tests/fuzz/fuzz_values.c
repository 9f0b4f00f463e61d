/* Ids and the values of settings: what is accepted has one written form, and lies in its bounds. */
#include <stdlib.h>

#include "shared/base/id.h"
#include "shared/base/mem.h"
#include "shared/base/settings_value.h"

#define MAX_BYTES 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_id(struct text bytes)
{
    char again[ID_TEXT_SIZE];
    int64_t id = -7;
    if (!id_parse(bytes, &id)) {
        require(id == -7);
        return;
    }
    require(id > 0);
    id_format(id, again);
    require(text_is(bytes, again));
}

static bool is_accepted(const struct setting *setting, struct text value, void *target)
{
    char problem[SETTINGS_PROBLEM_SIZE] = "";
    bool is_good = settings_value_check(setting, value, problem);
    require(is_good == (problem[0] == '\0'));
    require(text_is_utf8(text_of(problem)));
    if (is_good)
        settings_value_store(setting, target, value);
    return is_good;
}

static void check_number(struct text bytes, int64_t minimum, int64_t maximum)
{
    struct setting setting = {
        .kind = SETTING_NUMBER, .minimum = minimum, .maximum = maximum, .key = "n"};
    int64_t number;
    if (is_accepted(&setting, bytes, &number))
        require(number >= minimum && number <= maximum);
}

static void check_strings(struct text bytes)
{
    struct setting string = {.kind = SETTING_STRING, .maximum = MAX_BYTES, .key = "s"};
    struct setting choice = {.kind = SETTING_CHOICE, .choices = "one|two|three", .key = "c"};
    const char *stored = NULL;
    if (is_accepted(&string, bytes, &stored)) {
        require(bytes.length <= MAX_BYTES && text_is_utf8(text_of(stored)));
        mem_free((void *)stored);
    }
    if (is_accepted(&choice, bytes, &stored)) {
        require(text_is(bytes, "one") || text_is(bytes, "two") || text_is(bytes, "three"));
        mem_free((void *)stored);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text bytes = {(const char *)data, size};
    struct setting flag = {.kind = SETTING_BOOL, .key = "b"};
    bool is_on;
    check_id(bytes);
    check_number(bytes, INT64_MIN, INT64_MAX);
    check_number(bytes, -10, 1000);
    check_strings(bytes);
    if (is_accepted(&flag, bytes, &is_on))
        require(text_is(bytes, is_on ? "true" : "false"));
    return 0;
}
