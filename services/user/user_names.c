/* Rules of usernames and passwords. The list of common passwords is short: who guesses has ten tries and then one in
 * six seconds (user_tries.h), so only what comes first in everybody's list matters. */
#include "services/user/user_names.h"

#include <string.h>

/* Of eight bytes and more, in lower case; capitals make no difference. */
static const char *const common_passwords[] = {
    "password",   "password1",    "password12",  "password123",   "password1234", "password!",
    "passw0rd",   "p@ssword",     "p@ssw0rd",    "pa55word",      "passwort",     "motdepasse",
    "contrasena", "senha123",     "letmein1",    "letmein123",    "welcome1",     "welcome123",
    "iloveyou",   "iloveyou1",    "iloveyou2",   "qwertyui",      "qwertyuiop",   "qwerty12",
    "qwerty123",  "qwerty1234",   "qwerty12345", "1q2w3e4r",      "1q2w3e4r5t",   "1qaz2wsx",
    "zaq12wsx",   "qazwsxedc",    "asdfghjk",    "asdfghjkl",     "asdf1234",     "zxcvbnm1",
    "zxcvbnm123", "abc12345",     "abcd1234",    "abcdefgh",      "abcdefghi",    "a1b2c3d4",
    "aa123456",   "admin123",     "admin1234",   "administrator", "root1234",     "changeme",
    "changeme1",  "changeme123",  "default1",    "secret123",     "test1234",     "testtest",
    "testing123", "guest1234",    "user1234",    "temp1234",      "sunshine",     "sunshine1",
    "princess",   "princess1",    "football",    "football1",     "baseball",     "baseball1",
    "basketball", "superman",     "superman1",   "batman123",     "spiderman",    "starwars",
    "starwars1",  "pokemon1",     "naruto123",   "minecraft",     "trustno1",     "whatever",
    "whatever1",  "computer",     "computer1",   "internet",      "corvette",     "mercedes",
    "jennifer",   "michelle",     "michael1",    "jessica1",      "charlie1",     "samantha",
    "victoria",   "danielle",     "liverpool",   "liverpool1",    "chelsea1",     "arsenal1",
    "butterfly",  "chocolate",    "blink182",    "metallica",     "slipknot",     "monkey123",
    "dragon123",  "master123",    "shadow123",   "hello123",      "hellohello",   "lovelove",
    "11223344",   "12341234",     "12344321",    "123123123",     "123321123",    "147258369",
    "123456789a", "12345678a",    "a12345678",   "987654321",     "9876543210",   "0987654321",
    "87654321",   "qwer1234",     "q1w2e3r4",    "1234qwer",      "123qweasd",    "freedom1",
    "parley123",  "parleyparley",
};

static char lower(char c)
{
    if (c < 'A' || c > 'Z')
        return c;
    return (char)(c | 0x20); /* ASCII: capitals differ by this bit */
}

static bool is_username_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool username_normalise(struct text given, char out[USERNAME_SIZE])
{
    out[0] = '\0';
    if (given.length > USERNAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < given.length; i++) {
        out[i] = lower(given.data[i]);
        if (!is_username_char(out[i])) {
            out[0] = '\0';
            return false;
        }
    }
    out[given.length] = '\0';
    return true;
}

static bool equal_in_lower_case(struct text a, struct text b)
{
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++) {
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    }
    return true;
}

/* Each byte is the one before it plus step: 0 for aaaaaaaa, 1 for 12345678. The 0 behind a 9 counts as its next. */
static bool is_run(struct text password, int step)
{
    for (size_t i = 1; i < password.length; i++) {
        int previous = (unsigned char)password.data[i - 1];
        int next = (unsigned char)password.data[i];
        bool wraps = step == 1 && previous == '9' && next == '0';
        if (next - previous != step && !wraps)
            return false;
    }
    return true;
}

const char *password_refusal(struct text password, struct text username)
{
    if (is_run(password, 0) || is_run(password, 1) || is_run(password, -1))
        return "must not be a mere repetition or sequence of characters";
    if (username.length > 0 && equal_in_lower_case(password, username))
        return "must not be the username";
    for (size_t i = 0; i < sizeof common_passwords / sizeof common_passwords[0]; i++) {
        if (equal_in_lower_case(password, text_of(common_passwords[i])))
            return "must not be one of the most common passwords";
    }
    return NULL;
}
