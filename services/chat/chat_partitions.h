/* The partitions of the log as this process holds them. The lease fills in who holds what, a batch moves the heads. */
#ifndef PARLEY_CHAT_PARTITIONS_H
#define PARLEY_CHAT_PARTITIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAT_MAX_PARTITIONS 1024

struct chat_partition {
    bool held; /* by this process: only then the rest means anything */
    int64_t epoch;
    int64_t head_offset;      /* of the last event, also one whose commit is on its way */
    int64_t committed_offset; /* of the last event that is in Postgres */
};

struct chat_partitions {
    uint32_t count; /* 0: not known yet */
    struct chat_partition items[CHAT_MAX_PARTITIONS];
};

#endif
