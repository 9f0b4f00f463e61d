/* Loading settings: the file and the environment only propose values; each proposal is checked
 * where it stands, so that the message can name the place, and the weightiest is stored at the end.
 */
#include "shared/base/settings.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/base/settings_value.h"

#define MAX_FILE_BYTES (1024 * 1024)
#define QUOTED_BYTES   40 /* of a key or a line, in a message */

struct proposal {
    struct text value; /* TEXT_NONE: none yet */
    int line;          /* of the file; 0 when it is not from there */
};

struct loader {
    const struct settings_table *tables;
    size_t table_count;
    struct proposal *proposals; /* one for each setting, in the order of the tables */
    const char *service;
    const char *file;
    char *message;
    size_t message_size;
};

/* One setting in turn with its target and its proposal; false at the end. */
struct cursor {
    size_t table, item, ordinal;
};

static bool next_setting(const struct loader *loader, struct cursor *cursor,
                         const struct setting **setting_out, struct proposal **proposal_out)
{
    while (cursor->table < loader->table_count &&
           cursor->item == loader->tables[cursor->table].count) {
        cursor->table++;
        cursor->item = 0;
    }
    if (cursor->table == loader->table_count)
        return false;
    *setting_out = &loader->tables[cursor->table].items[cursor->item++];
    *proposal_out = &loader->proposals[cursor->ordinal++];
    return true;
}

static size_t count_settings(const struct settings_table *tables, size_t table_count)
{
    size_t count = 0;
    for (size_t i = 0; i < table_count; i++)
        count += tables[i].count;
    return count;
}

/* --- the file --- */

/* A message is one short line on a terminal, whatever the file holds. */
static void copy_printable(struct text text, char out[QUOTED_BYTES + 1])
{
    text = text_cut(text, QUOTED_BYTES);
    bool is_utf8 = text_is_utf8(text);
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        out[i] = (char)(byte < ' ' || byte == 0x7F || (byte >= 0x80 && !is_utf8) ? '?' : byte);
    }
    out[text.length] = '\0';
}

static bool fail_file(const struct loader *loader, int line, struct text key, const char *problem)
{
    char quoted[QUOTED_BYTES + 1];
    copy_printable(key, quoted);
    snprintf(loader->message, loader->message_size, "%s:%d: %s: %s", loader->file, line, quoted,
             problem);
    return false;
}

static struct text trim(struct text text)
{
    while (text.length > 0 && isspace((unsigned char)text.data[0]))
        text = (struct text){text.data + 1, text.length - 1};
    while (text.length > 0 && isspace((unsigned char)text.data[text.length - 1]))
        text.length--;
    return text;
}

/* The part before the first point; TEXT_NONE when there is none. */
static struct text prefix_of(struct text key)
{
    const char *point = key.length == 0 ? NULL : memchr(key.data, '.', key.length);
    return point == NULL ? TEXT_NONE : (struct text){key.data, (size_t)(point - key.data)};
}

/* A key that no table has is another service's when its prefix is neither ours nor that of any
 * setting here. */
static bool is_foreign(const struct loader *loader, struct text key)
{
    struct text prefix = prefix_of(key);
    if (prefix.data == NULL || text_is(prefix, loader->service))
        return false;
    const struct setting *setting;
    struct proposal *proposal;
    for (struct cursor cursor = {0}; next_setting(loader, &cursor, &setting, &proposal);) {
        if (text_equal(prefix_of(text_of(setting->key)), prefix))
            return false;
    }
    return true;
}

static bool propose_from_file(const struct loader *loader, int line, struct text key,
                              struct text value)
{
    const struct setting *setting;
    struct proposal *proposal;
    char problem[SETTINGS_PROBLEM_SIZE];
    for (struct cursor cursor = {0}; next_setting(loader, &cursor, &setting, &proposal);) {
        if (!text_is(key, setting->key))
            continue;
        if (proposal->line != 0) {
            snprintf(problem, sizeof problem, "is there twice, first in line %d: remove one",
                     proposal->line);
            return fail_file(loader, line, key, problem);
        }
        if (!settings_value_check(setting, value, problem))
            return fail_file(loader, line, key, problem);
        *proposal = (struct proposal){value, line};
        return true;
    }
    return is_foreign(loader, key) ||
           fail_file(loader, line, key, "is no known setting: see --help for all of them");
}

static bool read_line(const struct loader *loader, int line, struct text text)
{
    text = trim(text);
    if (text.length == 0 || text.data[0] == '#')
        return true;
    if (memchr(text.data, '\0', text.length) != NULL)
        return fail_file(loader, line, TEXT_LITERAL("line"), "is not text");
    const char *equals = memchr(text.data, '=', text.length);
    if (equals == NULL)
        return fail_file(loader, line, text, "has no `=`: write `key = value`");
    size_t key_length = (size_t)(equals - text.data);
    struct text key = trim((struct text){text.data, key_length});
    return propose_from_file(loader, line, key,
                             trim((struct text){equals + 1, text.length - key_length - 1}));
}

static bool read_lines(const struct loader *loader, struct text content)
{
    for (int line = 1; content.length > 0; line++) {
        const char *end = memchr(content.data, '\n', content.length);
        size_t length = end == NULL ? content.length : (size_t)(end - content.data);
        if (!read_line(loader, line, (struct text){content.data, length}))
            return false;
        length += end == NULL ? 0 : 1;
        content = (struct text){content.data + length, content.length - length};
    }
    return true;
}

/* The values proposed from the file point into content_out, which the caller frees. */
static bool read_file(const struct loader *loader, char **content_out)
{
    FILE *stream = fopen(loader->file, "re");
    if (stream == NULL) {
        snprintf(loader->message, loader->message_size,
                 "%s: cannot be read (%m): name another file with --config or PARLEY_CONFIG",
                 loader->file);
        return false;
    }
    *content_out = mem_alloc(MAX_FILE_BYTES + 1);
    struct text content = {*content_out, fread(*content_out, 1, MAX_FILE_BYTES + 1, stream)};
    bool ok = ferror(stream) == 0 && content.length <= MAX_FILE_BYTES;
    fclose(stream);
    if (ok)
        return read_lines(loader, content);
    snprintf(loader->message, loader->message_size,
             "%s: is not a settings file of at most %d bytes", loader->file, MAX_FILE_BYTES);
    return false;
}

/* --- the environment and the rest --- */

static bool read_environment(const struct loader *loader)
{
    const struct setting *setting;
    struct proposal *proposal;
    for (struct cursor cursor = {0}; next_setting(loader, &cursor, &setting, &proposal);) {
        char name[SETTINGS_NAME_SIZE], problem[SETTINGS_PROBLEM_SIZE];
        settings_environment_name(setting, name);
        const char *value = getenv(name);
        if (value == NULL)
            continue;
        if (!settings_value_check(setting, text_of(value), problem)) {
            snprintf(loader->message, loader->message_size, "environment: %s: %s", name, problem);
            return false;
        }
        *proposal = (struct proposal){text_of(value), 0};
    }
    return true;
}

static bool use_fallbacks(const struct loader *loader)
{
    const struct setting *setting;
    struct proposal *proposal;
    for (struct cursor cursor = {0}; next_setting(loader, &cursor, &setting, &proposal);) {
        char name[SETTINGS_NAME_SIZE], problem[SETTINGS_PROBLEM_SIZE] = "";
        if (proposal->value.data != NULL)
            continue;
        if (setting->fallback == NULL) {
            settings_environment_name(setting, name);
            snprintf(loader->message, loader->message_size,
                     "%s: is not set: set %s, or write `%s = …` into %s", setting->key, name,
                     setting->key, loader->file == NULL ? "a settings file" : loader->file);
            return false;
        }
        proposal->value = text_of(setting->fallback);
        bool is_valid = settings_value_check(setting, proposal->value, problem);
        assert(is_valid && "a fallback in a table must itself be valid");
        (void)is_valid;
    }
    return true;
}

static void store_all(const struct loader *loader)
{
    size_t ordinal = 0;
    for (size_t i = 0; i < loader->table_count; i++) {
        const struct settings_table *table = &loader->tables[i];
        for (size_t j = 0; j < table->count; j++)
            settings_value_store(&table->items[j], table->target,
                                 loader->proposals[ordinal++].value);
    }
}

bool settings_load(const struct settings_table *tables, size_t table_count, const char *service,
                   const char *file, char *message_out, size_t message_size)
{
    struct loader loader = {tables, table_count, NULL, service, file, message_out, message_size};
    char *content = NULL;
    loader.proposals = mem_array(count_settings(tables, table_count), sizeof *loader.proposals);
    bool ok = (file == NULL || read_file(&loader, &content)) && read_environment(&loader) &&
              use_fallbacks(&loader);
    if (ok)
        store_all(&loader);
    mem_free(content);
    mem_free(loader.proposals);
    return ok;
}
