/* What a username and a password may be, and how long other names. */
#ifndef PARLEY_USER_NAMES_H
#define PARLEY_USER_NAMES_H

#include "shared/base/text.h"

#define USERNAME_MIN_BYTES 3
#define USERNAME_MAX_BYTES 32
#define USERNAME_SIZE      (USERNAME_MAX_BYTES + 1)

#define USER_DISPLAY_NAME_MAX_BYTES 128
#define USER_DEVICE_NAME_MAX_BYTES  128

/* Writes the form that is kept: lower case, terminated. False when it holds anything but letters, digits and "._-" of
 * ASCII, or is longer than USERNAME_MAX_BYTES; then out is "". Shorter than USERNAME_MIN_BYTES is for the caller. */
bool username_normalise(struct text given, char out[USERNAME_SIZE]);

/* NULL, or why this password is refused (a constant sentence). The length is not looked at. */
const char *password_refusal(struct text password, struct text username);

#endif
