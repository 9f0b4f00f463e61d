/* The wire form: fields in the order of the table, no tags. NUMBER a zig-zag varint (at most 10 bytes), ID eight bytes
 * little-endian, TEXT its length plus one as a varint (0: absent) and the bytes, LIST and IDS a count and the items. Both
 * sides know the same tables; the version byte of proto/rpc.h guards against mixing them. A message has one wire form only: a
 * varint with a zero too many is refused, so what decodes encodes to the same bytes. */
#include "shared/proto/codec.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define VARINT_BYTES 10

/* --- writing --- */

static void put_varint(struct buffer *out, uint64_t value)
{
    char *at = buffer_reserve(out, VARINT_BYTES);
    size_t used = 0;
    while (value >= 0x80) {
        at[used++] = (char)(value | 0x80);
        value >>= 7;
    }
    at[used++] = (char)value;
    out->length += used;
}

static uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static void put_ids(struct buffer *out, const int64_t *ids, size_t count)
{
    char *at = buffer_reserve(out, count * sizeof *ids);
    for (size_t i = 0; i < count; i++) {
        uint64_t wire = htole64((uint64_t)ids[i]);
        memcpy(at + i * sizeof wire, &wire, sizeof wire);
    }
    out->length += count * sizeof *ids;
}

static void put_text(const struct codec_field *field, struct buffer *out, const struct text *text)
{
    assert(text->length <= field->max); /* the caller checked its input: our bug otherwise */
    assert(text->data != NULL || text->length == 0);
    if (text->data == NULL) {
        put_varint(out, 0);
        return;
    }
    put_varint(out, (uint64_t)text->length + 1);
    buffer_append(out, text->data, text->length);
}

static const void *at_offset(const void *message, size_t offset)
{
    return (const char *)message + offset;
}

static void put_list(const struct codec_field *field, struct buffer *out, const void *message)
{
    const char *items = *(const char *const *)at_offset(message, field->offset);
    size_t count = *(const size_t *)at_offset(message, field->count_offset);
    assert(count <= field->max);
    put_varint(out, count);
    for (size_t i = 0; i < count; i++)
        codec_encode(field->item, items + i * field->item->size, out);
}

static void put_id_list(const struct codec_field *field, struct buffer *out, const void *message)
{
    const int64_t *ids = *(int64_t *const *)at_offset(message, field->offset);
    size_t count = *(const size_t *)at_offset(message, field->count_offset);
    assert(count <= field->max);
    put_varint(out, count);
    if (count > 0)
        put_ids(out, ids, count);
}

void codec_encode(const struct codec *codec, const void *message, struct buffer *out)
{
    for (size_t i = 0; i < codec->field_count; i++) {
        const struct codec_field *field = &codec->fields[i];
        switch (field->kind) {
        case CODEC_NUMBER:
            put_varint(out, zigzag(*(const int64_t *)at_offset(message, field->offset)));
            break;
        case CODEC_ID:
            put_ids(out, at_offset(message, field->offset), 1);
            break;
        case CODEC_TEXT:
            put_text(field, out, at_offset(message, field->offset));
            break;
        case CODEC_LIST:
            put_list(field, out, message);
            break;
        case CODEC_IDS:
            put_id_list(field, out, message);
            break;
        }
    }
}

/* --- reading --- */

struct wire {
    const char *at, *end;
    struct arena *arena;
    struct codec_error *error;
};

static bool fail(struct wire *wire, const struct codec *codec, const struct codec_field *field,
                 const char *reason)
{
    *wire->error = (struct codec_error){codec->name, field == NULL ? NULL : field->name, reason};
    return false;
}

/* Cut off, longer than 64 bits, or not the shortest form: false. */
static bool get_varint(struct wire *wire, uint64_t *value_out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && wire->at < wire->end; shift += 7) {
        uint64_t byte = (unsigned char)*wire->at++;
        if ((shift == 63 && byte > 1) || (shift > 0 && byte == 0))
            return false;
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value_out = value;
            return true;
        }
    }
    return false;
}

static void get_ids(struct wire *wire, int64_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t raw;
        memcpy(&raw, wire->at + i * sizeof raw, sizeof raw);
        ids[i] = (int64_t)le64toh(raw);
    }
    wire->at += count * sizeof *ids;
}

static size_t left(const struct wire *wire)
{
    return (size_t)(wire->end - wire->at);
}

static bool get_text(struct wire *wire, const struct codec *codec, const struct codec_field *field,
                     struct text *out)
{
    uint64_t size;
    if (!get_varint(wire, &size))
        return fail(wire, codec, field, "has no proper length");
    if (size == 0) {
        *out = TEXT_NONE;
        return true;
    }
    if (size - 1 > field->max)
        return fail(wire, codec, field, "is too long");
    if (size - 1 > left(wire))
        return fail(wire, codec, field, "is cut off");
    *out = (struct text){wire->at, size - 1};
    wire->at += size - 1;
    return true;
}

/* A count that cannot be true, because the bytes left could not hold so many items, is refused before memory is taken. */
static bool get_count(struct wire *wire, const struct codec *codec, const struct codec_field *field,
                      size_t item_bytes, size_t *count_out)
{
    uint64_t count;
    if (!get_varint(wire, &count))
        return fail(wire, codec, field, "has no proper count");
    if (count > field->max)
        return fail(wire, codec, field, "has too many items");
    if (count * item_bytes > left(wire))
        return fail(wire, codec, field, "is cut off");
    *count_out = count;
    return true;
}

/* Of an encoded message. */
static size_t least_bytes(const struct codec *codec)
{
    size_t least = 0;
    for (size_t i = 0; i < codec->field_count; i++)
        least += codec->fields[i].kind == CODEC_ID ? sizeof(int64_t) : 1;
    return least;
}

static bool get_message(struct wire *wire, const struct codec *codec, char *message);

static bool get_list(struct wire *wire, const struct codec *codec, const struct codec_field *field,
                     char *message)
{
    size_t count;
    if (!get_count(wire, codec, field, least_bytes(field->item), &count))
        return false;
    char *items = count == 0 ? NULL : arena_alloc(wire->arena, count * field->item->size);
    memcpy(message + field->offset, &items, sizeof items);
    memcpy(message + field->count_offset, &count, sizeof count);
    for (size_t i = 0; i < count; i++)
        if (!get_message(wire, field->item, items + i * field->item->size))
            return false;
    return true;
}

static bool get_id_list(struct wire *wire, const struct codec *codec,
                        const struct codec_field *field, char *message)
{
    size_t count;
    if (!get_count(wire, codec, field, sizeof(int64_t), &count))
        return false;
    int64_t *ids = count == 0 ? NULL : arena_alloc(wire->arena, count * sizeof *ids);
    get_ids(wire, ids, count);
    memcpy(message + field->offset, &ids, sizeof ids);
    memcpy(message + field->count_offset, &count, sizeof count);
    return true;
}

static bool get_number(struct wire *wire, const struct codec *codec,
                       const struct codec_field *field, char *message)
{
    uint64_t raw;
    if (!get_varint(wire, &raw))
        return fail(wire, codec, field, "is no proper number");
    int64_t value = unzigzag(raw);
    memcpy(message + field->offset, &value, sizeof value);
    return true;
}

static bool get_id(struct wire *wire, const struct codec *codec, const struct codec_field *field,
                   char *message)
{
    if (left(wire) < sizeof(int64_t))
        return fail(wire, codec, field, "is cut off");
    get_ids(wire, (int64_t *)(void *)(message + field->offset), 1);
    return true;
}

static bool get_field(struct wire *wire, const struct codec *codec, const struct codec_field *field,
                      char *message)
{
    switch (field->kind) {
    case CODEC_NUMBER:
        return get_number(wire, codec, field, message);
    case CODEC_ID:
        return get_id(wire, codec, field, message);
    case CODEC_TEXT:
        return get_text(wire, codec, field, (struct text *)(void *)(message + field->offset));
    case CODEC_LIST:
        return get_list(wire, codec, field, message);
    case CODEC_IDS:
        return get_id_list(wire, codec, field, message);
    }
    return fail(wire, codec, field, "is of no known kind");
}

static bool get_message(struct wire *wire, const struct codec *codec, char *message)
{
    for (size_t i = 0; i < codec->field_count; i++)
        if (!get_field(wire, codec, &codec->fields[i], message))
            return false;
    return true;
}

bool codec_decode(const struct codec *codec, struct text bytes, struct arena *arena,
                  void *message_out, struct codec_error *error_out)
{
    struct wire wire = {bytes.data, bytes.data + bytes.length, arena, error_out};
    memset(message_out, 0, codec->size);
    if (!get_message(&wire, codec, message_out))
        return false;
    if (wire.at != wire.end)
        return fail(&wire, codec, NULL, "has bytes left over");
    return true;
}

static void describe_field(const struct codec_field *field, struct buffer *out)
{
    static const char *const kinds[] = {"number", "id", "text", "list", "ids"};
    buffer_append_format(out, "| `%s` | %s", field->name, kinds[field->kind]);
    if (field->item != NULL)
        buffer_append_format(out, " of `%s`", field->item->name);
    if (field->max == 0)
        buffer_append_string(out, " | |\n");
    else
        buffer_append_format(out, " | %zu %s |\n", field->max,
                             field->kind == CODEC_TEXT ? "bytes" : "items");
}

void codec_describe(const struct codec *codec, struct buffer *out)
{
    buffer_append_format(out, "### %s\n\n| field | kind | at most |\n| --- | --- | --- |\n",
                         codec->name);
    for (size_t i = 0; i < codec->field_count; i++)
        describe_field(&codec->fields[i], out);
    buffer_append_string(out, "\n");
}
