#include "tests/chaos/load/load_record.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"

#define FLUSH_MS     200
#define BUFFER_BYTES (64 << 10)

static FILE *file;
static struct loop_timer *flush_timer;

static void on_flush(void *context)
{
    (void)context;
    fflush(file);
}

bool record_open(struct loop *loop, const char *folder)
{
    char path[512];
    snprintf(path, sizeof path, "%s/load.tsv", folder);
    file = fopen(path, "we");
    if (file == NULL) {
        fprintf(stderr, "load: %s: %s\n", path, strerror(errno));
        return false;
    }
    setvbuf(file, NULL, _IOFBF, BUFFER_BYTES);
    flush_timer = loop_timer_create(loop, on_flush, NULL);
    loop_timer_repeat(flush_timer, FLUSH_MS);
    return true;
}

void record_close(void)
{
    loop_timer_destroy(&flush_timer);
    if (fclose(file) != 0)
        fprintf(stderr, "load: the history could not be written: %s\n", strerror(errno));
    file = NULL;
}

static void begin(const char *actor, const char *kind)
{
    fprintf(file, "%" PRId64 "\t%s\t%s", clock_monotonic_us(), actor, kind);
}

void record(const char *actor, const char *kind, const char *format, ...)
{
    va_list arguments;
    begin(actor, kind);
    if (format[0] != '\0')
        fputc('\t', file);
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    fputc('\n', file);
}

void record_hash(const char *text, char hash_out[RECORD_HASH_SIZE])
{
    unsigned char hash[16];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)text, strlen(text), NULL, 0);
    sodium_bin2hex(hash_out, RECORD_HASH_SIZE, hash, sizeof hash);
}

static const char *string_or_dash(const cJSON *object, const char *name)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return value == NULL || value[0] == '\0' ? "-" : value;
}

void record_event(const char *actor, const char *kind, const cJSON *event, const char *format, ...)
{
    va_list arguments;
    char hash[RECORD_HASH_SIZE] = "-";
    const cJSON *body = cJSON_GetObjectItemCaseSensitive(event, "body");
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, "text"));
    const cJSON *seq = cJSON_GetObjectItemCaseSensitive(event, "seq");
    if (text != NULL)
        record_hash(text, hash);
    begin(actor, kind);
    fputc('\t', file);
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    fprintf(file, "\t%s\t%.0f\t%s\t%s\t%s\t%s\t%s\n", string_or_dash(event, "chat"),
            cJSON_IsNumber(seq) ? seq->valuedouble : 0, string_or_dash(event, "type"),
            string_or_dash(event, "sender"), string_or_dash(event, "user"),
            string_or_dash(event, "client_id"), hash);
}
