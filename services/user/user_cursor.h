/* The cursors of lists: opaque to clients, URL-safe base64 of what the list needs to go on. */
#ifndef PARLEY_USER_CURSOR_H
#define PARLEY_USER_CURSOR_H

#include "services/user/user_names.h"
#include "services/user/user_store.h"

#define USER_CURSOR_SIZE 88 /* written, with its terminator */

/* False: it is not what the functions below have written; then what is at *before_out or after_out means nothing. */
bool user_cursor_read_time(struct text cursor, struct user_position *before_out);
bool user_cursor_read_name(struct text cursor, char after_out[USERNAME_SIZE]);
void user_cursor_write_time(struct user_position last, char out[USER_CURSOR_SIZE]);
void user_cursor_write_name(struct text last, char out[USER_CURSOR_SIZE]); /* a username */

#endif
