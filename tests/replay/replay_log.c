#define _GNU_SOURCE /* getline(3), asprintf(3) */
#include "tests/replay/replay_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "shared/base/mem.h"
#include "shared/base/text.h"

struct nick {
    char *name;
    size_t person;
    UT_hash_handle hh;
};

struct log_reader {
    struct replay_log *log;
    struct nick *nicks;
    size_t action_capacity, person_capacity;
};

static void add_action(struct log_reader *reader, enum replay_action_kind kind, size_t person,
                       char *text)
{
    struct replay_log *log = reader->log;
    if (log->action_count == reader->action_capacity) {
        reader->action_capacity = reader->action_capacity * 2 + 1024;
        log->actions = mem_resize(log->actions, reader->action_capacity * sizeof *log->actions);
    }
    log->actions[log->action_count++] = (struct replay_action){kind, person, text};
}

static size_t add_person(struct log_reader *reader, const char *nick)
{
    struct replay_log *log = reader->log;
    if (log->person_count == reader->person_capacity) {
        reader->person_capacity = reader->person_capacity * 2 + 256;
        log->people = mem_resize(log->people, reader->person_capacity * sizeof *log->people);
    }
    log->people[log->person_count] = (struct replay_person){.nick = mem_string(nick)};
    return log->person_count++;
}

static struct nick *find_nick(struct log_reader *reader, const char *name)
{
    struct nick *nick;
    HASH_FIND_STR(reader->nicks, name, nick);
    return nick;
}

static void set_nick(struct log_reader *reader, const char *name, size_t person)
{
    struct nick *nick = find_nick(reader, name);
    if (nick == NULL) {
        nick = mem_zalloc(sizeof *nick);
        nick->name = mem_string(name);
        HASH_ADD_KEYPTR(hh, reader->nicks, nick->name, strlen(nick->name), nick);
    }
    nick->person = person;
}

static void forget_nick(struct log_reader *reader, const char *name)
{
    struct nick *nick = find_nick(reader, name);
    if (nick == NULL)
        return;
    HASH_DEL(reader->nicks, nick);
    mem_free(nick->name);
    mem_free(nick);
}

/* Whoever bears the nick, made a member if they are none: from the start when they are new. */
static size_t present_person(struct log_reader *reader, const char *name)
{
    struct nick *nick = find_nick(reader, name);
    if (nick == NULL) {
        size_t person = add_person(reader, name);
        reader->log->people[person].from_the_start = true;
        reader->log->people[person].present = true;
        set_nick(reader, name, person);
        return person;
    }
    if (!reader->log->people[nick->person].present) {
        reader->log->people[nick->person].present = true;
        add_action(reader, REPLAY_JOIN, nick->person, NULL);
    }
    return nick->person;
}

static void on_message(struct log_reader *reader, const char *name, char *text)
{
    if (text[0] == '\0' || !text_is_utf8(text_of(text))) {
        reader->log->passed_over++;
        mem_free(text);
        return;
    }
    add_action(reader, REPLAY_MESSAGE, present_person(reader, name), text);
}

static void on_join(struct log_reader *reader, const char *name)
{
    struct nick *nick = find_nick(reader, name);
    if (nick == NULL) {
        set_nick(reader, name, add_person(reader, name));
        nick = find_nick(reader, name);
    }
    struct replay_person *person = &reader->log->people[nick->person];
    if (person->present)
        return; /* the log lacks the leaving in between */
    person->present = true;
    add_action(reader, REPLAY_JOIN, nick->person, NULL);
}

static void on_leave(struct log_reader *reader, const char *name)
{
    size_t person = present_person(reader, name);
    reader->log->people[person].present = false;
    add_action(reader, REPLAY_LEAVE, person, NULL);
}

static void on_rename(struct log_reader *reader, const char *old_name, const char *new_name)
{
    size_t person = present_person(reader, old_name);
    forget_nick(reader, old_name);
    set_nick(reader, new_name, person);
}

static bool read_notice(struct log_reader *reader, const char *line)
{
    char name[256], other[256];
    int used = 0;
    if (sscanf(line, "=== %255s has joined #%n", name, &used) == 1 && used > 0)
        on_join(reader, name);
    else if (sscanf(line, "=== %255s has left #%n", name, &used) == 1 && used > 0)
        on_leave(reader, name);
    else if (sscanf(line, "=== %255s is now known as %255s", name, other) == 2)
        on_rename(reader, name, other);
    else
        return false;
    return true;
}

static bool read_speech(struct log_reader *reader, const char *line)
{
    const char *rest = strchr(line, ']');
    char name[256];
    int used = 0;
    if (line[0] != '[' || rest == NULL)
        return false;
    if (sscanf(rest, "] <%255[^> ]>%n", name, &used) == 1 && used > 0) {
        rest += used;
        on_message(reader, name, mem_string(*rest == ' ' ? rest + 1 : rest));
        return true;
    }
    if (sscanf(rest, "]  * %255s%n", name, &used) == 1 && used > 0) {
        char *text = NULL;
        if (asprintf(&text, "* %s%s", name, rest + used) < 0)
            abort();
        on_message(reader, name, text);
        return true;
    }
    return false;
}

bool replay_log_read(const char *path, struct replay_log *log_out, char *message_out,
                     size_t message_size)
{
    *log_out = (struct replay_log){0};
    struct log_reader reader = {.log = log_out};
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        snprintf(message_out, message_size, "cannot read %s: %s", path, strerror(errno));
        return false;
    }
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, file)) > 0) {
        while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
            line[--length] = '\0';
        if (length > 0 && !read_notice(&reader, line) && !read_speech(&reader, line))
            log_out->passed_over++;
    }
    free(line);
    fclose(file);
    struct nick *nick, *next;
    HASH_ITER (hh, reader.nicks, nick, next) {
        HASH_DEL(reader.nicks, nick);
        mem_free(nick->name);
        mem_free(nick);
    }
    if (log_out->action_count == 0) {
        snprintf(message_out, message_size, "%s holds no line of a chat log", path);
        replay_log_deinit(log_out);
        return false;
    }
    return true;
}

void replay_log_deinit(struct replay_log *log)
{
    for (size_t i = 0; i < log->action_count; i++)
        mem_free(log->actions[i].text);
    for (size_t i = 0; i < log->person_count; i++)
        mem_free(log->people[i].nick);
    mem_free(log->actions);
    mem_free(log->people);
    *log = (struct replay_log){0};
}
