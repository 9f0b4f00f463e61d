/* One value of a setting: its check, its place, its text. For the files settings*.c only. */
#ifndef PARLEY_BASE_SETTINGS_VALUE_H
#define PARLEY_BASE_SETTINGS_VALUE_H

#include "shared/base/settings.h"
#include "shared/base/text.h"

#define SETTINGS_PROBLEM_SIZE 256
#define SETTINGS_NAME_SIZE    96

/* "chat.partitions" gives "PARLEY_CHAT_PARTITIONS". */
void settings_environment_name(const struct setting *setting, char out[SETTINGS_NAME_SIZE]);
/* False with what is wrong and what is expected in problem_out. Never quotes the value: it may be a
 * secret. */
bool settings_value_check(const struct setting *setting, struct text value,
                          char problem_out[SETTINGS_PROBLEM_SIZE]);
/* Of a value that has passed the check. Strings are copied. */
void settings_value_store(const struct setting *setting, void *target, struct text value);

#endif
