/* Documents: the scan first, then cJSON. */
#include "shared/base/json_document.h"

#include <cjson/cJSON.h>

#include "shared/base/json_scan.h"
#include "shared/base/mem.h"

/* cJSON keeps a number as a double and cannot tell 1.0 or 1e0 from 1. The scan has counted the
 * numbers that are not plain, in the order of the text, which is also the order of the tree. */
struct marker {
    const struct json_scan *scan;
    uint32_t number;
    size_t next;
};

static void mark_odd_numbers(struct marker *marker, cJSON *node)
{
    for (; node != NULL && marker->next < marker->scan->odd_number_count; node = node->next) {
        if (cJSON_IsNumber(node) && marker->number++ == marker->scan->odd_numbers[marker->next]) {
            node->type |= JSON_ODD_NUMBER;
            marker->next++;
        }
        mark_odd_numbers(marker, node->child);
    }
}

/* The tree lies in the document's arena: a block or two instead of an allocation for each node, name and string.
 * cJSON's hooks are one for the whole process, so they are set for the time of the call only, and whoever else uses
 * cJSON is not concerned. Only the loop's thread parses. */
static struct arena *tree_arena;

static void *tree_alloc(size_t size)
{
    return arena_alloc(tree_arena, size);
}

static void tree_free(void *block)
{
    (void)block; /* goes with the arena */
}

static void build_tree(struct json_document *document, const struct json_scan *scan)
{
    tree_arena = &document->arena;
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = tree_alloc, .free_fn = tree_free});
    struct text bytes = document->bytes;
    document->root = cJSON_ParseWithLengthOpts(bytes.data, bytes.length, NULL, false);
    cJSON_InitHooks(NULL);
    mark_odd_numbers(&(struct marker){.scan = scan}, document->root);
}

struct json_document *json_parse(struct text bytes, struct json_fault *fault_out)
{
    struct json_scan scan;
    if (!json_scan(bytes, &scan, fault_out))
        return NULL;
    struct json_document *document = mem_zalloc(sizeof *document);
    document->bytes = bytes;
    build_tree(document, &scan);
    mem_free(scan.odd_numbers);
    if (document->root ==
        NULL) { /* the two disagree: a peer must not be able to end the process by it */
        *fault_out = (struct json_fault){.code = "invalid_json", .reason = "is not valid JSON"};
        json_destroy(&document);
    }
    return document;
}

void json_destroy(struct json_document **document)
{
    if (*document == NULL)
        return;
    arena_deinit(&(*document)->arena);
    mem_free(*document);
    *document = NULL;
}
