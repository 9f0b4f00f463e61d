/* REST calls to the system under test, over a few keep-alive connections. Either with retries: an answer of 5xx or 429
 * and a lost connection are tried again until the deadline, as a client should; or once, for whoever keeps count of tries. */
#ifndef PARLEY_CLIENT_REST_H
#define PARLEY_CLIENT_REST_H

#include <stdint.h>

struct cJSON;
struct event_base;
struct rest;

/* status 0: no answer by the deadline. `answer` is NULL when there was no JSON; borrowed. */
typedef void (*rest_callback)(void *context, int status, const struct cJSON *answer);

struct rest *rest_create(struct event_base *base, const char *host, uint16_t port, int connections);
/* `token` and `body` may be NULL; they are copied. */
void rest_call(struct rest *rest, const char *method, const char *path, const char *token,
               const char *body, rest_callback callback, void *context);
/* One try, answered after 10 s at the latest; status 0: it may have happened. */
void rest_try(struct rest *rest, const char *method, const char *path, const char *token,
              const char *body, rest_callback callback, void *context);
void rest_destroy(struct rest **rest);

#endif
