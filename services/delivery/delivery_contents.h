/* What inboxes refer to, read from the log when it is sent: so a body that was deleted meanwhile does not come out. The
 * pages of all devices of a turn are gathered into one request. */
#ifndef PARLEY_DELIVERY_CONTENTS_H
#define PARLEY_DELIVERY_CONTENTS_H

#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_service.h"

struct delivery_contents;

struct delivery_contents *delivery_contents_create(struct delivery_service *service);
void delivery_contents_destroy(struct delivery_contents **contents);
/* → device_on_contents; tried again until the log answers. */
void delivery_contents_fetch(struct delivery_contents *contents, struct device *device,
                             uint32_t generation, const struct delivery_ref *refs, size_t count);

#endif
