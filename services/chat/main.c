/* parley-chat: the logs. A table of contents; see README.md. */
#include "services/chat/chat_service.h"
#include "services/chat/chat_settings.h"

int main(int argc, char **argv)
{
    struct daemon_service service = {
        .name = "chat",
        .settings = chat_settings_table,
        .start = chat_service_start,
        .report = chat_service_report,
        .drain = chat_service_drain,
        .drained = chat_service_drained,
        .stop = chat_service_stop,
    };
    return daemon_main(&service, argc, argv);
}
