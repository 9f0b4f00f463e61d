/* Settings files: one is taken as a whole, with every value in its bounds, or refused with one line that names the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shared/base/mem.h"
#include "shared/base/settings.h"
#include "shared/base/text.h"

#define MAX_NAME_BYTES 12
#define UNTOUCHED      INT64_C(-77)

struct values {
    const char *name, *mode;
    int64_t number;
    bool flag;
};

static const struct setting items[] = {
    {.key = "chat.name",
     .kind = SETTING_STRING,
     .offset = offsetof(struct values, name),
     .fallback = "none",
     .maximum = MAX_NAME_BYTES},
    {.key = "chat.number",
     .kind = SETTING_NUMBER,
     .offset = offsetof(struct values, number),
     .fallback = "5",
     .minimum = 1,
     .maximum = 9000},
    {.key = "flag",
     .kind = SETTING_BOOL,
     .offset = offsetof(struct values, flag),
     .fallback = "true"},
    {.key = "mode",
     .kind = SETTING_CHOICE,
     .offset = offsetof(struct values, mode),
     .fallback = "development",
     .choices = "development|production"},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* A file without a name in any folder; a process can open it under /proc (memfd_create(2)). */
static int write_file(const uint8_t *data, size_t size, char *name, size_t name_size)
{
    int fd = memfd_create("settings", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(name, name_size, "/proc/self/fd/%d", fd);
    return fd;
}

static void check_values(const struct values *values)
{
    require(strlen(values->name) <= MAX_NAME_BYTES && text_is_utf8(text_of(values->name)));
    require(values->number >= 1 && values->number <= 9000);
    require(strcmp(values->mode, "development") == 0 || strcmp(values->mode, "production") == 0);
    mem_free((void *)values->name);
    mem_free((void *)values->mode);
}

static void check_message(const char *message, const char *file)
{
    require(strncmp(message, file, strlen(file)) == 0);
    require(strlen(message) > strlen(file) + 2 && strpbrk(message, "\r\n") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct values values = {.number = UNTOUCHED};
    struct settings_table table = {items, sizeof items / sizeof items[0], &values};
    char file[40], message[400] = "";
    int fd = write_file(data, size, file, sizeof file);
    if (settings_load(&table, 1, "chat", file, message, sizeof message)) {
        check_values(&values);
    } else {
        require(values.number == UNTOUCHED && values.name == NULL && values.mode == NULL);
        check_message(message, file);
    }
    close(fd);
    return 0;
}
