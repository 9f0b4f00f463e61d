/* The tables of messages as a whole, and that docs/protocol.md tells of them as they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "shared/proto/protocol_catalog.h"

#define DOCUMENT "docs/protocol.md"

static void every_method_has_a_number_and_a_name_of_its_own(void **state)
{
    (void)state;
    for (size_t s = 0; s < protocol_service_count; s++) {
        const struct protocol_service *service = &protocol_services[s];
        for (size_t i = 0; i < service->method_count; i++) {
            const struct rpc_method *method = service->methods[i].method;
            assert_int_equal(strncmp(method->name, service->name, strlen(service->name)), 0);
            assert_int_not_equal(method->number, 0);
            for (size_t j = 0; j < i; j++) {
                assert_int_not_equal(method->number, service->methods[j].method->number);
                assert_string_not_equal(method->name, service->methods[j].method->name);
            }
        }
    }
}

static void every_text_and_list_has_a_bound(void **state)
{
    (void)state;
    for (size_t s = 0; s < protocol_service_count; s++) {
        const struct codec *messages[PROTOCOL_MAX_MESSAGES];
        size_t count = protocol_messages(&protocol_services[s], messages);
        for (size_t i = 0; i < count; i++)
            for (size_t f = 0; f < messages[i]->field_count; f++)
                if (messages[i]->fields[f].kind >= CODEC_TEXT)
                    assert_int_not_equal(messages[i]->fields[f].max, 0);
    }
}

static void the_document_is_what_the_tables_say(void **state)
{
    (void)state;
    struct buffer wanted = BUFFER_EMPTY, found = BUFFER_EMPTY;
    FILE *file = fopen(DOCUMENT, "r");
    assert_non_null(file);
    protocol_document(&wanted);
    found.length = fread(buffer_reserve(&found, wanted.length + 1), 1, wanted.length + 1, file);
    fclose(file);
    if (!text_equal(buffer_text(&wanted), buffer_text(&found)))
        fail_msg("%s is stale: run this test with --write", DOCUMENT);
    buffer_deinit(&wanted);
    buffer_deinit(&found);
}

static int write_document(void)
{
    struct buffer document = BUFFER_EMPTY;
    FILE *file = fopen(DOCUMENT, "w");
    if (file == NULL)
        return 1;
    protocol_document(&document);
    size_t written = fwrite(document.data, 1, document.length, file);
    int closed = fclose(file);
    bool is_whole = closed == 0 && written == document.length;
    buffer_deinit(&document);
    return is_whole ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--write") == 0)
        return write_document();
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_has_a_number_and_a_name_of_its_own),
        cmocka_unit_test(every_text_and_list_has_a_bound),
        cmocka_unit_test(the_document_is_what_the_tables_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
