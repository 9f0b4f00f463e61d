/* Origins are compared as RFC 6454 serialises them: scheme, "://", host and port; scheme and host ignore case. */
#include "services/delivery/delivery_origin.h"

#include <string.h>
#include <strings.h>

static bool is_listed(const char *origin, const char *allowed)
{
    size_t length = strlen(origin);
    const char *at = allowed;
    while (*at != '\0') {
        at += strspn(at, ", ");
        size_t item = strcspn(at, ", ");
        if (item == length && item > 0 && strncasecmp(at, origin, length) == 0)
            return true;
        at += item;
    }
    return false;
}

static bool is_own_host(const char *origin, const char *host)
{
    const char *separator = strstr(origin, "://");
    return separator != NULL && *host != '\0' && strcasecmp(separator + 3, host) == 0;
}

bool delivery_origin_is_allowed(const struct websocket_handshake *handshake, const char *allowed)
{
    if (handshake->origin[0] == '\0')
        return true;
    if (allowed[strspn(allowed, ", ")] == '\0')
        return is_own_host(handshake->origin, handshake->host);
    return is_listed(handshake->origin, allowed);
}
