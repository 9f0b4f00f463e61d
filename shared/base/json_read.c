/* The reader: members are taken one by one; the first mistake is kept, with its place. */
#include "shared/base/json_document.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <stdlib.h>

#include "shared/base/id.h"
#include "shared/base/json_scan.h"
#include "shared/base/mem.h"

struct json_reader json_reader_start(struct json_document *document, const char *prefix)
{
    return (struct json_reader){
        .object = document->root, .document = document, .bytes = document->bytes, .prefix = prefix};
}

static void fail_at(struct json_reader *reader, struct text member, const char *reason)
{
    if (reader->failed)
        return;
    reader->failed = true;
    reader->fault = (struct json_fault){.code = "bad_request", .reason = reason};
    struct text prefix = text_cut(text_of(reader->prefix), JSON_POINTER_SIZE - 1);
    memcpy(reader->fault.pointer, prefix.data, prefix.length);
    if (member.data != NULL)
        json_pointer_add(reader->fault.pointer, member);
}

void json_reader_fail(struct json_reader *reader, const char *member, const char *reason)
{
    fail_at(reader, text_of(member), reason);
}

static void fail_item(struct json_reader *reader, const char *member, size_t index,
                      const char *reason)
{
    char digits[TEXT_NUMBER_SIZE];
    if (reader->failed)
        return;
    fail_at(reader, text_of(member), reason);
    json_pointer_add(reader->fault.pointer,
                     (struct text){digits, text_format_number((int64_t)index, digits)});
}

static bool is_taken(const struct json_reader *reader, const char *member)
{
    for (int i = 0; i < reader->taken_count; i++) {
        if (strcmp(reader->taken[i], member) == 0)
            return true;
    }
    return false;
}

bool json_reader_finish(struct json_reader *reader, struct json_fault *fault_out)
{
    const cJSON *child = reader->object == NULL || reader->is_map ? NULL : reader->object->child;
    for (; child != NULL && !reader->failed; child = child->next) {
        if (!is_taken(reader, child->string))
            fail_at(reader, text_of(child->string), "is not known here");
    }
    if (reader->failed)
        *fault_out = reader->fault;
    return !reader->failed;
}

bool json_has(const struct json_reader *reader, const char *member)
{
    return cJSON_GetObjectItemCaseSensitive(reader->object, member) != NULL;
}

/* The member's node; NULL when it is absent, which is a fault if it is required. */
static const cJSON *take(struct json_reader *reader, const char *member,
                         enum json_presence presence)
{
    if (reader->object == NULL)
        return NULL; /* an absent object: whoever required it has failed already */
    if (!is_taken(reader, member)) {
        assert(reader->taken_count < JSON_READER_MEMBERS);
        reader->taken[reader->taken_count++] = member;
    }
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(reader->object, member);
    if (node == NULL && presence == JSON_REQUIRED)
        json_reader_fail(reader, member, "is required");
    return node;
}

static struct text check_text(struct json_reader *reader, const char *member, const cJSON *node,
                              size_t min_bytes, size_t max_bytes)
{
    struct text text = text_of(node->valuestring);
    if (!cJSON_IsString(node))
        json_reader_fail(reader, member, "must be a string");
    else if (text.length < min_bytes)
        json_reader_fail(reader, member, text.length == 0 ? "must not be empty" : "is too short");
    else if (text.length > max_bytes)
        json_reader_fail(reader, member, "is too long");
    else
        return text;
    return TEXT_NONE;
}

struct text json_take_text(struct json_reader *reader, const char *member,
                           enum json_presence presence, size_t min_bytes, size_t max_bytes)
{
    const cJSON *node = take(reader, member, presence);
    return node == NULL ? TEXT_NONE : check_text(reader, member, node, min_bytes, max_bytes);
}

struct text json_take_text_or_null(struct json_reader *reader, const char *member, size_t max_bytes,
                                   bool *is_null_out)
{
    const cJSON *node = take(reader, member, JSON_OPTIONAL);
    *is_null_out = cJSON_IsNull(node);
    if (node == NULL || *is_null_out)
        return TEXT_NONE;
    if (!cJSON_IsString(node)) {
        json_reader_fail(reader, member, "must be a string or null");
        return TEXT_NONE;
    }
    return check_text(reader, member, node, 0, max_bytes);
}

int64_t json_take_id(struct json_reader *reader, const char *member, enum json_presence presence)
{
    const cJSON *node = take(reader, member, presence);
    int64_t id = 0;
    if (node != NULL && !cJSON_IsString(node))
        json_reader_fail(reader, member, "must be an id, which is a string");
    else if (node != NULL && !id_parse(text_of(node->valuestring), &id))
        json_reader_fail(reader, member, "is not an id");
    return id;
}

bool json_whole_number(const cJSON *value, int64_t minimum, int64_t maximum, int64_t *number_out)
{
    if (!cJSON_IsNumber(value) || (value->type & JSON_ODD_NUMBER) != 0)
        return false;
    int64_t number = (int64_t)value->valuedouble; /* exact: the scan has seen to it */
    if (number < minimum || number > maximum)
        return false;
    *number_out = number;
    return true;
}

int64_t json_take_number(struct json_reader *reader, const char *member,
                         enum json_presence presence, int64_t minimum, int64_t maximum)
{
    const cJSON *node = take(reader, member, presence);
    int64_t number = 0;
    if (node == NULL || json_whole_number(node, minimum, maximum, &number))
        return number;
    bool is_whole = json_whole_number(node, INT64_MIN, INT64_MAX, &number);
    json_reader_fail(reader, member, is_whole ? "is out of range" : "must be a whole number");
    return 0;
}

bool json_take_bool(struct json_reader *reader, const char *member, enum json_presence presence)
{
    const cJSON *node = take(reader, member, presence);
    if (node != NULL && !cJSON_IsBool(node))
        json_reader_fail(reader, member, "must be true or false");
    return cJSON_IsTrue(node);
}

int json_take_choice(struct json_reader *reader, const char *member, enum json_presence presence,
                     const char *const *choices)
{
    const cJSON *node = take(reader, member, presence);
    if (node == NULL)
        return -1;
    if (!cJSON_IsString(node)) {
        json_reader_fail(reader, member, "must be a string");
        return -1;
    }
    for (int i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], node->valuestring) == 0)
            return i;
    }
    json_reader_fail(reader, member, "is none of the known values");
    return -1;
}

struct text json_take_raw(struct json_reader *reader, const char *member,
                          enum json_presence presence, size_t max_bytes)
{
    struct text value;
    if (take(reader, member, presence) == NULL || !json_scan_member(reader->bytes, member, &value))
        return TEXT_NONE;
    if (value.length <= max_bytes)
        return value;
    json_reader_fail(reader, member, "is too long");
    return TEXT_NONE;
}

static const char *child_prefix(const struct json_reader *reader, const char *member)
{
    char pointer[JSON_POINTER_SIZE] = "";
    struct text prefix = text_cut(text_of(reader->prefix), JSON_POINTER_SIZE - 1);
    memcpy(pointer, prefix.data, prefix.length);
    json_pointer_add(pointer, text_of(member));
    return arena_text(&reader->document->arena, text_of(pointer)).data;
}

struct json_reader json_take_object(struct json_reader *reader, const char *member,
                                    enum json_presence presence)
{
    struct json_reader child = {.document = reader->document, .prefix = reader->prefix};
    const cJSON *node = take(reader, member, presence);
    if (node == NULL)
        return child;
    if (!cJSON_IsObject(node)) {
        json_reader_fail(reader, member, "must be an object");
        return child;
    }
    child.object = node;
    child.prefix = child_prefix(reader, member);
    json_scan_member(reader->bytes, member, &child.bytes);
    return child;
}

const cJSON *json_next_member(struct json_reader *reader, const cJSON *previous,
                              struct text *key_out)
{
    reader->is_map = true;
    const cJSON *next = previous != NULL         ? previous->next
                        : reader->object == NULL ? NULL
                                                 : reader->object->child;
    if (next != NULL)
        *key_out = text_of(next->string);
    return next;
}

/* --- arrays of ids --- */

struct placed_id {
    int64_t id;
    size_t index;
};

static int compare_placed(const void *a, const void *b)
{
    const struct placed_id *left = a, *right = b;
    if (left->id != right->id)
        return left->id < right->id ? -1 : 1;
    return left->index < right->index ? -1 : 1;
}

/* The index of the first id that was there before, or count. */
static size_t find_repeated(const int64_t *ids, size_t count)
{
    struct placed_id *placed = mem_array(count, sizeof *placed);
    size_t repeated = count;
    for (size_t i = 0; i < count; i++)
        placed[i] = (struct placed_id){ids[i], i};
    qsort(placed, count, sizeof *placed, compare_placed);
    for (size_t i = 1; i < count; i++) {
        if (placed[i].id == placed[i - 1].id && placed[i].index < repeated)
            repeated = placed[i].index;
    }
    mem_free(placed);
    return repeated;
}

static bool read_ids(struct json_reader *reader, const char *member, const cJSON *array,
                     int64_t *ids)
{
    size_t count = 0;
    for (const cJSON *item = array->child; item != NULL; item = item->next, count++) {
        if (!cJSON_IsString(item) || !id_parse(text_of(item->valuestring), &ids[count])) {
            fail_item(reader, member, count, "is not an id");
            return false;
        }
    }
    size_t repeated = find_repeated(ids, count);
    if (repeated < count)
        fail_item(reader, member, repeated, "is there twice");
    return repeated == count;
}

size_t json_take_ids(struct json_reader *reader, const char *member, enum json_presence presence,
                     size_t max_count, int64_t **ids_out)
{
    *ids_out = NULL;
    const cJSON *node = take(reader, member, presence);
    if (node != NULL && !cJSON_IsArray(node))
        json_reader_fail(reader, member, "must be an array of ids");
    if (!cJSON_IsArray(node) || node->child == NULL)
        return 0;
    size_t count = (size_t)cJSON_GetArraySize(node);
    if (count > max_count) {
        json_reader_fail(reader, member, "has too many items");
        return 0;
    }
    int64_t *ids = mem_array(count, sizeof *ids);
    if (read_ids(reader, member, node, ids)) {
        *ids_out = ids;
        return count;
    }
    mem_free(ids);
    return 0;
}
