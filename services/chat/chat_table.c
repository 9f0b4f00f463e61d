/* Columns that grow together. */
#include "services/chat/chat_table.h"

#include <assert.h>

#include "shared/base/mem.h"

#define FIRST_CAPACITY 64

void chat_table_init(struct chat_table *table, size_t number_columns, size_t text_columns)
{
    assert(number_columns <= CHAT_TABLE_NUMBERS && text_columns <= CHAT_TABLE_TEXTS);
    *table = (struct chat_table){.number_columns = number_columns, .text_columns = text_columns};
}

void chat_table_deinit(struct chat_table *table)
{
    for (size_t i = 0; i < table->number_columns; i++)
        mem_free(table->numbers[i]);
    for (size_t i = 0; i < table->text_columns; i++)
        mem_free(table->texts[i]);
    *table = (struct chat_table){0};
}

static void grow(struct chat_table *table)
{
    size_t capacity = table->capacity == 0 ? FIRST_CAPACITY : table->capacity * 2;
    for (size_t i = 0; i < table->number_columns; i++)
        table->numbers[i] = mem_resize(table->numbers[i], capacity * sizeof(int64_t));
    for (size_t i = 0; i < table->text_columns; i++)
        table->texts[i] = mem_resize(table->texts[i], capacity * sizeof(struct text));
    table->capacity = capacity;
}

size_t chat_table_add(struct chat_table *table)
{
    if (table->count == table->capacity)
        grow(table);
    return table->count++;
}
