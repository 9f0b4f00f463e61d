/* The naive checker of JSON that the strict parser is held against. It shares no code with the parser. */
#ifndef PARLEY_TESTS_MODEL_JSON_NAIVE_H
#define PARLEY_TESTS_MODEL_JSON_NAIVE_H

#include "shared/base/buffer.h"

/* True when the text is one object, strict as shared/base/json.h says. At most 64 keys in each object. */
bool json_naive_accepts(struct text bytes);
void json_naive_encode(struct buffer *out, uint32_t point); /* a character in UTF-8 */

#endif
