/* Settings: every knob of a daemon stands once in a table: key, type, default, bounds, one sentence.
 *
 * A value comes, in rising order of weight, from the default, from the settings file (PARLEY_CONFIG or --config:
 * `key = value` lines, `#` comments) and from the environment (PARLEY_ and the key in capitals: `run_dir` is
 * PARLEY_RUN_DIR, `chat.partitions` is PARLEY_CHAT_PARTITIONS). Keys of all daemons share one file: a key with
 * another service's prefix is passed over, an unknown key or a bad value is an error that names file, line and key. */
#ifndef PARLEY_BASE_SETTINGS_H
#define PARLEY_BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum setting_kind { SETTING_STRING, SETTING_NUMBER, SETTING_BOOL, SETTING_CHOICE };

struct setting {
    const char *key; /* "chat.max_batch_events" */
    enum setting_kind kind;
    /* Of the field in the target struct: const char *, int64_t, bool, const char * (in the order of the kinds). */
    size_t offset;
    const char *fallback;     /* as it would stand in the file; NULL: required */
    int64_t minimum, maximum; /* NUMBER: bounds, both included; STRING: maximum bytes */
    const char *choices;      /* CHOICE: "development|production" */
    const char *help;         /* one sentence, with the unit */
    bool secret;              /* its value is never printed by --check */
};

struct settings_table {
    const struct setting *items;
    size_t count;
    void *target; /* the struct that the offsets are of */
};

/* Fills the targets of all tables. On error returns false with one line in message_out (what, where, the mend).
 * `service` is the prefix of the service's own keys ("chat"); `file` may be NULL. Strings live as long as the process. */
bool settings_load(const struct settings_table *tables, size_t table_count, const char *service,
                   const char *file, char *message_out, size_t message_size);
/* For --help and for --check. */
void settings_print_help(const struct settings_table *tables, size_t table_count, FILE *out);
void settings_print_values(const struct settings_table *tables, size_t table_count, FILE *out);

#endif
