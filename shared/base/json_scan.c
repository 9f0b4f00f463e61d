/* The scanner: recursive descent over the grammar of RFC 8259, at most JSON_MAX_DEPTH deep. It
 * knows at any time where it is, so that a fault names the member in which it lies. */
#include "shared/base/json_scan.h"

#include <stdlib.h>

#include "shared/base/mem.h"

#define MAX_NUMBER_BYTES \
    63 /* cJSON copies a number into 64 bytes and would cut a longer one in two */
#define MAX_EXACT \
    "9007199254740991" /* 2^53 - 1: the largest that every double reader agrees on (RFC 7493) */

#define FEW_KEYS 32

struct frame { /* one open array or object */
    bool is_object;
    size_t index;    /* array: of the item being read */
    struct text key; /* object: of the member being read, TEXT_NONE before it is known */
};

struct scanner {
    const char *at, *end;
    struct frame frames[JSON_MAX_DEPTH];
    size_t depth;
    struct text *keys; /* of all open objects, a stack */
    size_t key_count, key_capacity;
    struct text few_keys[FEW_KEYS]; /* where the stack lies until it is larger */
    struct arena arena;             /* holds the keys that have escapes */
    uint32_t number_count;
    struct json_scan *result;
    const char *reason;
    struct text culprit; /* the duplicate key, which the pointer is to name */
};

static bool scan_value(struct scanner *scanner);

static bool fail(struct scanner *scanner, const char *reason)
{
    scanner->reason = reason;
    return false;
}

static void skip_space(struct scanner *scanner)
{
    while (scanner->at < scanner->end && (*scanner->at == ' ' || *scanner->at == '\n' ||
                                          *scanner->at == '\r' || *scanner->at == '\t'))
        scanner->at++;
}

static bool skip_char(struct scanner *scanner, char expected)
{
    if (scanner->at >= scanner->end || *scanner->at != expected)
        return false;
    scanner->at++;
    return true;
}

/* --- strings --- */

static bool is_low_surrogate(int unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* After the `u`. */
static bool scan_unicode_escape(struct scanner *scanner)
{
    int unit = json_hex_unit(scanner->at, (size_t)(scanner->end - scanner->at));
    if (unit < 0)
        return fail(scanner, "\\u must be followed by four hexadecimal digits");
    if (unit == 0)
        return fail(scanner, "must not contain the character \\u0000");
    scanner->at += 4;
    if (is_low_surrogate(unit))
        return fail(scanner, "has half of a surrogate pair");
    if (!json_is_high_surrogate(unit))
        return true;
    if (!skip_char(scanner, '\\') || !skip_char(scanner, 'u') ||
        !is_low_surrogate(json_hex_unit(scanner->at, (size_t)(scanner->end - scanner->at))))
        return fail(scanner, "has half of a surrogate pair");
    scanner->at += 4;
    return true;
}

/* At a backslash. */
static bool scan_escape(struct scanner *scanner)
{
    scanner->at++;
    if (skip_char(scanner, 'u'))
        return scan_unicode_escape(scanner);
    if (scanner->at >= scanner->end || *scanner->at == '\0' ||
        strchr("\"\\/bfnrt", *scanner->at) == NULL)
        return fail(scanner, "has an unknown escape after a backslash");
    scanner->at++;
    return true;
}

/* At a byte of a string that does not stand for itself, nor ends it. */
static bool scan_special(struct scanner *scanner)
{
    if (*scanner->at == '\\')
        return scan_escape(scanner);
    if ((unsigned char)*scanner->at < 0x20)
        return fail(scanner, "has a control character that is not escaped");
    size_t length =
        text_utf8_length((struct text){scanner->at, (size_t)(scanner->end - scanner->at)});
    if (length == 0)
        return fail(scanner, "is not valid UTF-8");
    scanner->at += length;
    return true;
}

/* At the opening quote; token_out is what lies between the quotes. */
static bool scan_string(struct scanner *scanner, struct text *token_out)
{
    const char *start = ++scanner->at;
    for (;;) {
        scanner->at += json_plain_length(scanner->at, (size_t)(scanner->end - scanner->at));
        if (scanner->at >= scanner->end)
            return fail(scanner, "has a string without an end");
        if (*scanner->at == '"')
            break;
        if (!scan_special(scanner))
            return false;
    }
    *token_out = (struct text){start, (size_t)(scanner->at - start)};
    scanner->at++;
    return true;
}

/* --- numbers and words --- */

static bool skip_digits(struct scanner *scanner)
{
    const char *start = scanner->at;
    while (scanner->at < scanner->end && *scanner->at >= '0' && *scanner->at <= '9')
        scanner->at++;
    return scanner->at > start;
}

static void note_number(struct scanner *scanner, bool is_odd)
{
    struct json_scan *result = scanner->result;
    uint32_t ordinal = scanner->number_count++;
    if (!is_odd)
        return;
    if ((result->odd_number_count & (result->odd_number_count - 1)) == 0) /* full: double it */
        result->odd_numbers = mem_resize(result->odd_numbers, (result->odd_number_count * 2 + 1) *
                                                                  sizeof *result->odd_numbers);
    result->odd_numbers[result->odd_number_count++] = ordinal;
}

static bool is_exact(struct text digits)
{
    size_t most = sizeof MAX_EXACT - 1;
    return digits.length < most ||
           (digits.length == most && memcmp(digits.data, MAX_EXACT, most) <= 0);
}

static bool scan_whole(struct scanner *scanner, struct text *digits_out)
{
    const char *digits = scanner->at;
    if (!skip_digits(scanner))
        return fail(scanner, "is not a JSON value");
    *digits_out = (struct text){digits, (size_t)(scanner->at - digits)};
    if (*digits == '0' && digits_out->length > 1)
        return fail(scanner, "has a number with a leading zero");
    return true;
}

static bool scan_fraction(struct scanner *scanner)
{
    if (!skip_char(scanner, '.') || skip_digits(scanner))
        return true;
    return fail(scanner, "has a number without digits after the point");
}

static bool scan_exponent(struct scanner *scanner)
{
    if (!skip_char(scanner, 'e') && !skip_char(scanner, 'E'))
        return true;
    if (!skip_char(scanner, '+'))
        skip_char(scanner, '-');
    return skip_digits(scanner) || fail(scanner, "has a number without digits in its exponent");
}

/* number = [ minus ] int [ frac ] [ exp ] (RFC 8259 section 6) */
static bool scan_number(struct scanner *scanner)
{
    const char *start = scanner->at;
    skip_char(scanner, '-');
    struct text whole;
    if (!scan_whole(scanner, &whole) || !scan_fraction(scanner) || !scan_exponent(scanner))
        return false;
    if (scanner->at - start > MAX_NUMBER_BYTES)
        return fail(scanner, "has a number with too many digits");
    bool is_plain = scanner->at == whole.data + whole.length;
    note_number(scanner, !is_plain || !is_exact(whole));
    return true;
}

static bool scan_word(struct scanner *scanner, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(scanner->end - scanner->at) < length || memcmp(scanner->at, word, length) != 0)
        return fail(scanner, "is not a JSON value");
    scanner->at += length;
    return true;
}

/* --- objects and arrays --- */

static void push_key(struct scanner *scanner, struct text key)
{
    if (scanner->key_count == scanner->key_capacity) {
        struct text *old = scanner->keys == scanner->few_keys ? NULL : scanner->keys;
        scanner->key_capacity *= 2;
        scanner->keys = mem_resize(old, scanner->key_capacity * sizeof *scanner->keys);
        if (old == NULL)
            memcpy(scanner->keys, scanner->few_keys, sizeof scanner->few_keys);
    }
    scanner->keys[scanner->key_count++] = key;
}

static int compare_keys(const void *a, const void *b)
{
    const struct text *left = a, *right = b;
    if (left->length != right->length)
        return left->length < right->length ? -1 : 1;
    return left->length == 0 ? 0 : memcmp(left->data, right->data, left->length);
}

/* At the end of an object whose keys are the stack's from `first` on. Sorted, so that a peer who
 * sends thousands of keys does not cost their square. */
static bool close_keys(struct scanner *scanner, size_t first)
{
    struct text *keys = scanner->keys + first;
    size_t count = scanner->key_count - first;
    if (count > 1)
        qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1; i < count; i++) {
        if (text_equal(keys[i - 1], keys[i])) {
            scanner->culprit = keys[i];
            return fail(scanner, "is there twice");
        }
    }
    scanner->key_count = first;
    return true;
}

static bool scan_member(struct scanner *scanner, struct frame *frame)
{
    struct text token;
    frame->key = TEXT_NONE;
    skip_space(scanner);
    if (scanner->at >= scanner->end || *scanner->at != '"')
        return fail(scanner, "has a member without a quoted name");
    if (!scan_string(scanner, &token))
        return false;
    frame->key = json_unescape(token, &scanner->arena);
    push_key(scanner, frame->key);
    skip_space(scanner);
    if (!skip_char(scanner, ':'))
        return fail(scanner, "has no colon after its name");
    return scan_value(scanner);
}

static bool scan_members(struct scanner *scanner, struct frame *frame)
{
    size_t first_key = scanner->key_count;
    do {
        if (!scan_member(scanner, frame))
            return false;
        skip_space(scanner);
    } while (skip_char(scanner, ','));
    frame->key = TEXT_NONE;
    if (!skip_char(scanner, '}'))
        return fail(scanner, "has an object without its end, or a comma is missing");
    return close_keys(scanner, first_key);
}

static bool scan_items(struct scanner *scanner, struct frame *frame)
{
    do {
        if (!scan_value(scanner))
            return false;
        skip_space(scanner);
        frame->index++;
    } while (skip_char(scanner, ','));
    if (!skip_char(scanner, ']'))
        return fail(scanner, "has an array without its end, or a comma is missing");
    return true;
}

/* At the opening bracket or brace. */
static bool scan_container(struct scanner *scanner, bool is_object)
{
    if (scanner->depth == JSON_MAX_DEPTH)
        return fail(scanner, "is nested too deep");
    struct frame *frame = &scanner->frames[scanner->depth++];
    *frame = (struct frame){.is_object = is_object};
    scanner->at++;
    skip_space(scanner);
    bool ok = skip_char(scanner, is_object ? '}' : ']') ||
              (is_object ? scan_members(scanner, frame) : scan_items(scanner, frame));
    if (ok)
        scanner->depth--; /* after a fault the frames stay: they are its place */
    return ok;
}

static bool scan_value(struct scanner *scanner)
{
    struct text token;
    skip_space(scanner);
    if (scanner->at >= scanner->end)
        return fail(scanner, "ends too early");
    switch (*scanner->at) {
    case '{':
        return scan_container(scanner, true);
    case '[':
        return scan_container(scanner, false);
    case '"':
        return scan_string(scanner, &token);
    case 't':
        return scan_word(scanner, "true");
    case 'f':
        return scan_word(scanner, "false");
    case 'n':
        return scan_word(scanner, "null");
    default:
        return scan_number(scanner);
    }
}

/* --- the whole text --- */

static void point_at(const struct scanner *scanner, char pointer[JSON_POINTER_SIZE])
{
    for (size_t i = 0; i < scanner->depth; i++) {
        const struct frame *frame = &scanner->frames[i];
        char index[TEXT_NUMBER_SIZE];
        if (!frame->is_object)
            json_pointer_add(
                pointer, (struct text){index, text_format_number((int64_t)frame->index, index)});
        else if (frame->key.data != NULL)
            json_pointer_add(pointer, frame->key);
    }
    if (scanner->culprit.data != NULL)
        json_pointer_add(pointer, scanner->culprit);
}

/* Bytes that are not UTF-8 are that first, whatever else is wrong with them: the code does not
 * depend on which of two faults comes first. */
static void explain(const struct scanner *scanner, struct text bytes, struct json_fault *fault_out)
{
    bool is_utf8 = text_is_utf8(bytes);
    *fault_out = (struct json_fault){.code = is_utf8 ? "invalid_json" : "invalid_utf8",
                                     .reason = is_utf8 ? scanner->reason : "is not valid UTF-8"};
    point_at(scanner, fault_out->pointer);
}

static bool scan_text(struct scanner *scanner, bool *is_object_out)
{
    skip_space(scanner);
    *is_object_out = scanner->at < scanner->end && *scanner->at == '{';
    if (!scan_value(scanner))
        return false;
    skip_space(scanner);
    return scanner->at == scanner->end || fail(scanner, "has something after its end");
}

/* Not the frames and keys: they are large, and written before they are read. */
static void start(struct scanner *scanner, struct text bytes, struct json_scan *result)
{
    scanner->at =
        bytes.data == NULL ? "" : bytes.data; /* of an empty frame: there is nothing to add to */
    scanner->end = scanner->at + bytes.length;
    scanner->depth = 0;
    scanner->keys = scanner->few_keys;
    scanner->key_count = 0;
    scanner->key_capacity = FEW_KEYS;
    scanner->arena = ARENA_EMPTY;
    scanner->number_count = 0;
    scanner->result = result;
    scanner->reason = NULL;
    scanner->culprit = TEXT_NONE;
}

bool json_scan(struct text bytes, struct json_scan *scan_out, struct json_fault *fault_out)
{
    *scan_out = (struct json_scan){NULL, 0};
    struct scanner scanner;
    start(&scanner, bytes, scan_out);
    bool is_object;
    bool ok = scan_text(&scanner, &is_object);
    if (!ok) {
        explain(&scanner, bytes, fault_out);
    } else if (!is_object) {
        *fault_out = (struct json_fault){.code = "bad_request", .reason = "must be an object"};
        ok = false;
    }
    if (!ok) {
        mem_free(scan_out->odd_numbers);
        *scan_out = (struct json_scan){NULL, 0};
    }
    if (scanner.keys != scanner.few_keys)
        mem_free(scanner.keys);
    arena_deinit(&scanner.arena);
    return ok;
}
