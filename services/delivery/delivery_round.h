/* The rounds of delivery_park.h: the one that gathers and the one that is being checked. */
#ifndef PARLEY_DELIVERY_ROUND_H
#define PARLEY_DELIVERY_ROUND_H

#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_service.h"

struct delivery_rounds;

struct delivery_rounds *delivery_rounds_create(struct delivery_service *service);
void delivery_rounds_destroy(struct delivery_rounds **rounds);
void delivery_rounds_add_event(struct delivery_rounds *rounds, struct delivery_event *event);
void delivery_rounds_add_pair(struct delivery_rounds *rounds, struct delivery_user *user,
                              struct delivery_event *event);
void delivery_rounds_turn(
    struct delivery_rounds *rounds); /* the gathering round is checked, unless another one is */
void delivery_rounds_drop(struct delivery_rounds *rounds);
bool delivery_rounds_are_gathering(const struct delivery_rounds *rounds);
bool delivery_rounds_are_empty(const struct delivery_rounds *rounds);
size_t delivery_rounds_pairs(const struct delivery_rounds *rounds);

#endif
