/* The recorder: one line of the history a call (README.md). Written to the disk five times a second and at the end. */
#ifndef PARLEY_CHAOS_LOAD_RECORD_H
#define PARLEY_CHAOS_LOAD_RECORD_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/net/loop.h"

/* False: the file cannot be made. */
bool record_open(struct loop *loop, const char *folder);
void record_close(void);
/* Columns as printf(3) makes them, with tabs between. */
void record(const char *actor, const char *kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The columns of `format`, then those of the event. */
void record_event(const char *actor, const char *kind, const cJSON *event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* BLAKE2b, 16 bytes in hex, of a body's text. */
#define RECORD_HASH_SIZE 33
void record_hash(const char *text, char hash_out[RECORD_HASH_SIZE]);

#endif
