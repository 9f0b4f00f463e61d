#include "shared/base/planted_bug.h"

#ifdef PARLEY_CHAOS

#include <stdlib.h>
#include <string.h>

static const char *const names[PLANTED_BUG_COUNT] = {
#define NAME(name) #name,
    PLANTED_BUGS(NAME)
#undef NAME
};

bool planted_bug_is(enum planted_bug bug)
{
    static const char *planted;
    static bool looked;
    if (!looked)
        planted = getenv("PARLEY_BUG");
    looked = true;
    return planted != NULL && strcmp(planted, names[bug]) == 0;
}

#endif
