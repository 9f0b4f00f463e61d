/* Which pages may connect, judged a second time in another way: what is not listed, or not of the own host, never may. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "services/delivery/delivery_origin.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Lines of the input, in turn: terminated, and cut as the handshake does. */
static void take_line(struct text *rest, char *out, size_t out_size)
{
    const char *end = rest->length == 0 ? NULL : memchr(rest->data, '\n', rest->length);
    size_t length = end == NULL ? rest->length : (size_t)(end - rest->data);
    size_t used = length + (end == NULL ? 0 : 1);
    size_t kept = length < out_size - 1 ? length : out_size - 1;
    memcpy(out, rest->data, kept);
    out[kept] = '\0';
    *rest = (struct text){rest->data + used, rest->length - used};
}

static bool is_expected(const struct websocket_handshake *handshake, char *allowed)
{
    const char *scheme_end = strstr(handshake->origin, "://");
    char *place = NULL, *item = strtok_r(allowed, ", ", &place);
    if (handshake->origin[0] == '\0')
        return true;
    if (item == NULL)
        return scheme_end != NULL && scheme_end[3] != '\0' &&
               strcasecmp(scheme_end + 3, handshake->host) == 0;
    for (; item != NULL; item = strtok_r(NULL, ", ", &place))
        if (strcasecmp(item, handshake->origin) == 0)
            return true;
    return false;
}

/* Three lines: the page's origin, the host that it connects to, the origins that are allowed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct websocket_handshake handshake = {.parley_protocol = true};
    char allowed[512];
    char *copy = mem_alloc(size + 1);
    if (size > 0)
        memcpy(copy, data, size);
    struct text rest = {copy, size};
    take_line(&rest, handshake.origin, sizeof handshake.origin);
    take_line(&rest, handshake.host, sizeof handshake.host);
    take_line(&rest, allowed, sizeof allowed);
    bool is_allowed = delivery_origin_is_allowed(&handshake, allowed);
    require(is_allowed == is_expected(&handshake, allowed));
    mem_free(copy);
    return 0;
}
