/* The user daemon: accounts, passwords, sessions and devices, profiles, blocks. */
#include "services/user/user_service.h"
#include "services/user/user_settings.h"

int main(int argc, char **argv)
{
    const struct daemon_service service = {
        .name = "user",
        .settings = user_settings_table,
        .start = user_service_start,
        .report = user_service_report,
        .drain = user_service_drain,
        .drained = user_service_drained,
        .stop = user_service_stop,
    };
    return daemon_main(&service, argc, argv);
}
