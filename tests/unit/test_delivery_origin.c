/* Which web pages may connect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "services/delivery/delivery_origin.h"

static const struct {
    const char *origin, *host, *allowed;
    bool want;
} cases[] = {
    /* no browser */
    {"", "127.0.0.1:8080", "", true},
    {"", "127.0.0.1:8080", "https://chat.example", true},
    /* nothing is configured: the page's own host */
    {"http://127.0.0.1:8080", "127.0.0.1:8080", "", true},
    {"http://localhost:8080", "localhost:8080", " ", true},
    {"https://Chat.Example", "chat.example", "", true},
    {"http://127.0.0.1:8081", "127.0.0.1:8080", "", false},
    {"http://evil.example", "127.0.0.1:8080", "", false},
    {"http://127.0.0.1:8080.evil.example", "127.0.0.1:8080", "", false},
    {"null", "127.0.0.1:8080", "", false},
    {"http://", "", "", false},
    /* a list: these and no other, the own host not either */
    {"https://chat.example", "x", "https://chat.example", true},
    {"https://b.example", "x", "https://a.example, https://b.example", true},
    {"https://c.example", "x", "https://a.example,https://b.example", false},
    {"https://a.example.evil", "x", "https://a.example", false},
    {"https://a.exampl", "x", "https://a.example", false},
    {"http://chat.example", "chat.example", "https://chat.example", false},
};

static void a_page_connects_from_where_it_is_allowed_to(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct websocket_handshake handshake = {.path = "/v1/ws"};
        snprintf(handshake.origin, sizeof handshake.origin, "%s", cases[i].origin);
        snprintf(handshake.host, sizeof handshake.host, "%s", cases[i].host);
        bool got = delivery_origin_is_allowed(&handshake, cases[i].allowed);
        if (got != cases[i].want)
            fail_msg("%s to %s with '%s': %d", cases[i].origin, cases[i].host, cases[i].allowed,
                     got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_connects_from_where_it_is_allowed_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
