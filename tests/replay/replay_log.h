/* A chat log of the form that the channel #ubuntu is archived in, read into a script of actions by people.
 *
 *     [09:14] <nick> text             a message
 *     [09:14]  * nick text            an action, sent as "* nick text"
 *     === nick has joined #channel    membership begins
 *     === nick has left #channel …    membership ends
 *     === old is now known as new     the same person goes on under another nick
 *
 * Other lines are counted and passed over. A nick that speaks without having joined was there when the log began, or, when
 * they had left before, comes back. A person who speaks after somebody else took their nick is the one who took it. */
#ifndef PARLEY_REPLAY_LOG_H
#define PARLEY_REPLAY_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum replay_action_kind { REPLAY_MESSAGE, REPLAY_JOIN, REPLAY_LEAVE };

struct replay_action {
    enum replay_action_kind kind;
    size_t person;
    char *text; /* of a message */
};

struct replay_person {
    char *nick;          /* the first one */
    bool from_the_start; /* a member when the log begins */
    bool present;        /* while reading: a member now */
};

struct replay_log {
    struct replay_action *actions;
    size_t action_count;
    struct replay_person *people;
    size_t person_count;
    size_t passed_over;
};

/* False with the reason in message_out. */
bool replay_log_read(const char *path, struct replay_log *log_out, char *message_out,
                     size_t message_size);
void replay_log_deinit(struct replay_log *log);

#endif
