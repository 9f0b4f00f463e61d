/* Who is on the other end of a connection: tokens of a turn are looked up together, then the device is put on. */
#ifndef PARLEY_DELIVERY_AUTH_H
#define PARLEY_DELIVERY_AUTH_H

#include "services/delivery/delivery_connection.h"
#include "services/delivery/delivery_service.h"

struct delivery_auth;

struct delivery_auth_request {
    struct text token;
    int64_t resume_session; /* 0: does not want to resume */
    int64_t resume_n;
};

struct delivery_auth *delivery_auth_create(struct delivery_service *service);
void delivery_auth_destroy(struct delivery_auth **auth);
/* The connection is NEW. Ends in OPEN with a `ready`, perhaps later, or closed. */
void delivery_auth_ask(struct delivery_auth *auth, struct connection *connection,
                       const struct delivery_auth_request *request);
/* Closes the device's connection if it is of that session, or whatever it is of. */
void delivery_auth_end_session(struct delivery_auth *auth, struct device *device,
                               int64_t session_id);
void delivery_auth_end_device(struct delivery_auth *auth, struct device *device);

#endif
