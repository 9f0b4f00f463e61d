/* The codec of internal messages: one table per message gives struct, encoder, decoder, text dump and documentation.
 *
 * A message is declared once, as a list of fields; T is the struct's name, passed through to every field:
 *
 *     #define APPEND_ITEM_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
 *         ID(T, chat_id)                                         \
 *         TEXT(T, client_id, 128)                                \
 *         NUMBER(T, role)                                        \
 *         LIST(T, members, chat_member, 1024)                    \
 *         IDS(T, users, 1024)
 *     CODEC_DECLARE(append_item, APPEND_ITEM_FIELDS)          in the header: struct append_item, append_item_codec
 *     CODEC_DEFINE(append_item, APPEND_ITEM_FIELDS)           in the .c file
 *
 * NUMBER is an int64_t (zig-zag varint on the wire), ID an int64_t in eight bytes, TEXT a borrowed view with its largest
 * length in bytes (also for raw bytes; absent and empty differ), LIST a pointer and a count of another declared
 * message, IDS a pointer and a count of int64_t. Decoding is strict and total: too long, too many, cut off and trailing
 * bytes each give an error that names the message and the field. Lists live in the arena, texts in the wire bytes. */
#ifndef PARLEY_PROTO_CODEC_H
#define PARLEY_PROTO_CODEC_H

#include <stdint.h>

#include "shared/base/arena.h"
#include "shared/base/buffer.h"

enum codec_kind { CODEC_NUMBER, CODEC_ID, CODEC_TEXT, CODEC_LIST, CODEC_IDS };

struct codec_field {
    const char *name;
    enum codec_kind kind;
    size_t offset;            /* of the field; LIST and IDS: of the pointer */
    size_t count_offset;      /* LIST and IDS: of the size_t count */
    size_t max;               /* TEXT: bytes; LIST, IDS: items */
    const struct codec *item; /* LIST */
};

struct codec {
    const char *name;
    size_t size; /* of the struct */
    const struct codec_field *fields;
    size_t field_count;
};

struct codec_error {
    const char *message; /* "append_item" */
    const char *field;   /* "client_id"; NULL: the whole message */
    const char *reason;
};

/* clang-format off */
#define CODEC_MEMBER_NUMBER(T, name_) int64_t name_;
#define CODEC_MEMBER_ID(T, name_) int64_t name_;
#define CODEC_MEMBER_TEXT(T, name_, max_) struct text name_;
#define CODEC_MEMBER_LIST(T, name_, type_, max_) struct type_ *name_; size_t name_##_count;
#define CODEC_MEMBER_IDS(T, name_, max_) int64_t *name_; size_t name_##_count;

#define CODEC_ROW_NUMBER(T, name_) {#name_, CODEC_NUMBER, offsetof(struct T, name_), 0, 0, NULL},
#define CODEC_ROW_ID(T, name_) {#name_, CODEC_ID, offsetof(struct T, name_), 0, 0, NULL},
#define CODEC_ROW_TEXT(T, name_, max_) {#name_, CODEC_TEXT, offsetof(struct T, name_), 0, (max_), NULL},
#define CODEC_ROW_LIST(T, name_, type_, max_) \
    {#name_, CODEC_LIST, offsetof(struct T, name_), offsetof(struct T, name_##_count), (max_), &type_##_codec},
#define CODEC_ROW_IDS(T, name_, max_) \
    {#name_, CODEC_IDS, offsetof(struct T, name_), offsetof(struct T, name_##_count), (max_), NULL},

#define CODEC_DECLARE(T, FIELDS) \
    struct T { \
        FIELDS(T, CODEC_MEMBER_NUMBER, CODEC_MEMBER_ID, CODEC_MEMBER_TEXT, CODEC_MEMBER_LIST, CODEC_MEMBER_IDS) \
    }; \
    extern const struct codec T##_codec;

#define CODEC_DEFINE(T, FIELDS) \
    static const struct codec_field T##_fields[] = { \
        FIELDS(T, CODEC_ROW_NUMBER, CODEC_ROW_ID, CODEC_ROW_TEXT, CODEC_ROW_LIST, CODEC_ROW_IDS)}; \
    const struct codec T##_codec = {#T, sizeof(struct T), T##_fields, sizeof T##_fields / sizeof T##_fields[0]};
/* clang-format on */

void codec_encode(const struct codec *codec, const void *message, struct buffer *out);
/* False with error_out filled; what was decoded so far must not be used. */
bool codec_decode(const struct codec *codec, struct text wire, struct arena *arena,
                  void *message_out, struct codec_error *error_out);
/* The table of a message in Markdown, for docs/protocol.md. */
void codec_describe(const struct codec *codec, struct buffer *out);

#endif
