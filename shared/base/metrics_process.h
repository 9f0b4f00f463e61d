/* What every process tells about itself, under the names that Prometheus' own libraries use. */
#ifndef PARLEY_BASE_METRICS_PROCESS_H
#define PARLEY_BASE_METRICS_PROCESS_H

#include "shared/base/buffer.h"

void metrics_process_render(struct buffer *out);

#endif
