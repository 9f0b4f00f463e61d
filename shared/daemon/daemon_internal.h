/* What the files daemon*.c share. */
#ifndef PARLEY_DAEMON_INTERNAL_H
#define PARLEY_DAEMON_INTERNAL_H

#include "shared/daemon/daemon.h"

struct daemon_health;

/* daemon_options.c: arguments and settings. False: the process ends with *status_out; what there was to say is said. */
bool daemon_options_read(const struct daemon_service *service, int argc, char **argv,
                         int *status_out);
const char *daemon_version(void);

/* daemon_environment.c: what the process needs from its surroundings. False: message says how to mend it. */
bool daemon_environment_check(char *message_out, int message_size);

/* daemon_health.c: /healthz, /readyz, /metrics, and a log line for each change of a dependency. */
struct daemon_health *daemon_health_create(struct loop *loop, const struct daemon_service *service,
                                           void *instance, char *message_out, int message_size);
void daemon_health_drain(struct daemon_health *health); /* not ready any more */
void daemon_health_destroy(struct daemon_health **health);

#endif
