/* uthash with a cheap function: our keys are ids, which are random already (shared/base/id.h). */
#ifndef PARLEY_DELIVERY_HASH_H
#define PARLEY_DELIVERY_HASH_H

#include <string.h>

#include <uthash.h>

#undef HASH_FUNCTION
#define HASH_FUNCTION(key, length, hash)        \
    do {                                        \
        uint64_t id_;                           \
        memcpy(&id_, (key), sizeof id_);        \
        (void)(length);                         \
        (hash) = (unsigned)(id_ ^ (id_ >> 32)); \
    } while (0)

#endif
