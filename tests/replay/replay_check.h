/* What a member should have received, held against what came. Independent of the server's word: a message belongs to a
 * member when it was sent after their joining was answered and before their leaving was asked for. */
#ifndef PARLEY_REPLAY_CHECK_H
#define PARLEY_REPLAY_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cJSON;
struct check;

struct check_totals {
    uint64_t messages, deliveries, lost, duplicated, out_of_order, leaked, altered, repeated;
};

struct check *check_create(size_t person_count, size_t message_count);
void check_destroy(struct check **check);

/* The course of things, in the order in which it happens. */
void check_joined(struct check *check, size_t person);
void check_leaving(struct check *check, size_t person);
void check_sending(struct check *check, size_t message, const char *client_id, const char *text);
/* The same message with two seqs, or two messages with one, is counted as duplicated. */
void check_sent(struct check *check, size_t message, int64_t seq);

/* A new connection or a sync begins: until the next one, the seqs that a person receives must rise. */
void check_new_connection(struct check *check, size_t person);
void check_received(struct check *check, size_t person, const struct cJSON *event, bool by_sync);
/* The highest seq up to which the person has everything from seq 1 on: where a sync starts. 0 for one who joined later. */
int64_t check_contiguous_seq(const struct check *check, size_t person);
/* True when the person has every message that they should. */
bool check_is_complete(const struct check *check, size_t person);
size_t check_missing(const struct check *check); /* over all people, for the progress line */

/* The whole log as REST gives it: every message there once, at its seq, byte for byte. */
void check_log_event(struct check *check, const struct cJSON *event);
struct check_totals check_finish(struct check *check);

#endif
