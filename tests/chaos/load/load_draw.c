/* Everything that happens by chance comes from here, so from the seed. (When it happens depends on the machine too.) */
#include <stdlib.h>

#include "tests/chaos/load/load.h"

double load_draw(struct load *load)
{
    return erand48(load->random);
}

size_t load_draw_index(struct load *load, size_t count)
{
    return (size_t)(load_draw(load) * (double)count);
}

bool load_draw_percent(struct load *load, double percent)
{
    return load_draw(load) * 100 < percent;
}
