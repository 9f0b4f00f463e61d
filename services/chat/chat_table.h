/* Rows on their way into Postgres, kept as columns: a column goes into a statement as one array. The memory stays from
 * batch to batch. Texts are borrowed. */
#ifndef PARLEY_CHAT_TABLE_H
#define PARLEY_CHAT_TABLE_H

#include <stdint.h>

#include "shared/base/text.h"

#define CHAT_TABLE_NUMBERS 8
#define CHAT_TABLE_TEXTS   3

struct chat_table {
    size_t count, capacity;
    size_t number_columns, text_columns;
    int64_t *numbers[CHAT_TABLE_NUMBERS];
    struct text *texts[CHAT_TABLE_TEXTS];
};

void chat_table_init(struct chat_table *table, size_t number_columns, size_t text_columns);
void chat_table_deinit(struct chat_table *table);
/* A new row with undefined content; returns its index. */
size_t chat_table_add(struct chat_table *table);

#endif
