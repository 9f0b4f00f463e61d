/* The daemon as a whole: made, reported on, drained, ended. */
#ifndef PARLEY_DELIVERY_LIFE_H
#define PARLEY_DELIVERY_LIFE_H

#include "shared/daemon/daemon.h"

bool delivery_life_start(struct daemon *daemon, void **service_out, char *message_out,
                         int message_size);
void delivery_life_report(void *service, daemon_report report, void *report_context);
void delivery_life_drain(void *service);
bool delivery_life_drained(void *service);
void delivery_life_stop(void *service);

#endif
