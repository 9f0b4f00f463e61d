/* The strict parser, its reader and its writer on any bytes at all. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/json_scan.h"
#include "shared/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* A refusal names a code, a reason and a place that can be written into an answer. */
static void check_fault(const struct json_fault *fault, struct text bytes)
{
    bool is_utf8 = text_is_utf8(bytes);
    require(fault->reason != NULL && text_is_utf8(text_of(fault->pointer)));
    require(fault->pointer[0] == '\0' || fault->pointer[0] == '/');
    require((strcmp(fault->code, "invalid_utf8") == 0) == !is_utf8);
}

/* The member's own bytes are a value: alone in an object of their own they parse again. */
static void check_raw(struct json_reader *reader, const char *key)
{
    struct text raw = json_take_raw(reader, key, JSON_REQUIRED, SIZE_MAX);
    struct buffer alone = BUFFER_EMPTY;
    struct json_fault fault;
    require(raw.data != NULL);
    buffer_append_string(&alone, "{\"m\":");
    buffer_append_text(&alone, raw);
    buffer_append_string(&alone, "}");
    struct json_document *document = json_parse(buffer_text(&alone), &fault);
    require(document != NULL);
    json_destroy(&document);
    buffer_deinit(&alone);
}

/* Every kind of take on whatever the member is. */
static void take_all(struct json_document *document, const char *key)
{
    static const char *const choices[] = {"direct", "group", NULL};
    struct json_reader reader = json_reader_start(document, "/body");
    bool is_null;
    int64_t *ids;
    struct json_fault fault;
    check_raw(&reader, key);
    json_take_text(&reader, key, JSON_REQUIRED, 1, 32);
    json_take_text_or_null(&reader, key, 32, &is_null);
    json_take_id(&reader, key, JSON_REQUIRED);
    json_take_number(&reader, key, JSON_REQUIRED, -1000, 1000);
    json_take_bool(&reader, key, JSON_OPTIONAL);
    json_take_choice(&reader, key, JSON_REQUIRED, choices);
    json_take_ids(&reader, key, JSON_REQUIRED, 8, &ids);
    mem_free(ids);
    struct json_reader child = json_take_object(&reader, key, JSON_OPTIONAL);
    if (child.object != NULL && child.object->child != NULL)
        check_raw(&child, child.object->child->string);
    if (!json_reader_finish(&reader, &fault))
        require(text_is_utf8(text_of(fault.pointer)));
    json_reader_finish(&child, &fault);
}

static void walk(struct json_document *document)
{
    struct json_reader map = json_reader_start(document, "");
    struct text key;
    int64_t number;
    const cJSON *member = json_next_member(&map, NULL, &key);
    for (int i = 0; member != NULL && i < 8; i++) {
        json_whole_number(member, 0, INT64_MAX, &number);
        take_all(document, key.data);
        member = json_next_member(&map, member, &key);
    }
}

/* Any bytes, written as a string, are JSON again unless they hold a zero byte. */
static void check_writer(struct text bytes)
{
    struct buffer out = BUFFER_EMPTY;
    struct json_fault fault;
    buffer_append_string(&out, "{\"m\":");
    json_write_string(&out, bytes);
    buffer_append_string(&out, "}");
    struct json_document *document = json_parse(buffer_text(&out), &fault);
    bool has_zero = bytes.length > 0 && memchr(bytes.data, '\0', bytes.length) != NULL;
    require((document == NULL) == has_zero);
    json_destroy(&document);
    buffer_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text bytes = {(const char *)data, size};
    struct json_fault fault;
    struct json_scan scan;
    bool is_strict = json_scan(bytes, &scan, &fault);
    mem_free(scan.odd_numbers);
    struct json_document *document = json_parse(bytes, &fault);
    require((document != NULL) == is_strict); /* what the scan lets through, cJSON understands */
    if (document == NULL)
        check_fault(&fault, bytes);
    else
        walk(document);
    json_destroy(&document);
    check_writer(bytes);
    return 0;
}
