/* parley-delivery: connections, inboxes, fan-out. A table of contents; see README.md. */
#include "services/delivery/delivery_life.h"
#include "services/delivery/delivery_settings.h"

int main(int argc, char **argv)
{
    struct daemon_service service = {
        .name = "delivery",
        .settings = delivery_settings_table,
        .start = delivery_life_start,
        .report = delivery_life_report,
        .drain = delivery_life_drain,
        .drained = delivery_life_drained,
        .stop = delivery_life_stop,
    };
    return daemon_main(&service, argc, argv);
}
