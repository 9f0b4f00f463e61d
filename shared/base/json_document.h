/* What a parsed document is made of: for the files json*.c only. */
#ifndef PARLEY_BASE_JSON_DOCUMENT_H
#define PARLEY_BASE_JSON_DOCUMENT_H

#include "shared/base/arena.h"
#include "shared/base/json.h"

/* On a number node beside cJSON's own type bits: it is not written as a plain whole number, or no
 * double holds it exactly. cJSON uses the bits up to 9 and looks at types through a mask of the
 * low 8. */
#define JSON_ODD_NUMBER (1 << 12)

struct json_document {
    struct cJSON *root; /* in the arena: never for cJSON_Delete */
    struct text bytes;  /* the caller's */
    struct arena arena; /* the prefixes of nested readers */
};

#endif
