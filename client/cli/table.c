// client/cli/table.c -- columns that line up.

#include "client/cli/table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/text.h"

enum { MAX_COLUMNS = 16, GAP = 2 };

struct ak_table {
    size_t columns, cells, room;
    bool right[MAX_COLUMNS];
    size_t width[MAX_COLUMNS];
    char **cell;
};

static void *or_die(void *memory)
{
    if (!memory)
        exit(ak_cli_error(AK_EXIT_FAILED, "out of memory"));
    return memory;
}

ak_table *ak_table_new(const char *const *headings)
{
    ak_table *table = or_die(calloc(1, sizeof *table));

    while (headings[table->columns] && table->columns < MAX_COLUMNS)
        table->columns++;
    for (size_t i = 0; i < table->columns; i++) {
        table->right[i] = headings[i][0] == '>';
        ak_table_add(table, headings[i] + table->right[i]);
    }
    return table;
}

void ak_table_free(ak_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->cells; i++)
        free(table->cell[i]);
    free(table->cell);
    free(table);
}

static char *clean(const char *text)
{
    char *copy = NULL;
    size_t length = 0;
    FILE *out = or_die(open_memstream(&copy, &length));

    ak_text_put(out, text);
    fclose(out);
    return or_die(copy);
}

void ak_table_add(ak_table *table, const char *text)
{
    size_t column = table->cells % table->columns, width;

    if (table->cells == table->room) {
        table->room = table->room ? table->room * 2 : 64;
        table->cell = or_die(realloc(table->cell, table->room * sizeof *table->cell));
    }
    table->cell[table->cells] = clean(text);
    width = ak_text_cells(table->cell[table->cells++]);
    if (width > table->width[column])
        table->width[column] = width;
}

static void pad(FILE *out, size_t count)
{
    fprintf(out, "%*s", (int)count, "");
}

// left is how many columns of the terminal remain; SIZE_MAX when it is none.
static size_t print_cell(const ak_table *table, size_t column, const char *text, size_t left,
                         FILE *out)
{
    size_t cells = ak_text_cells(text);
    size_t space = table->width[column] - cells;
    bool last = column + 1 == table->columns;

    if (table->right[column]) {
        space = space < left ? space : left;
        pad(out, space);
        left -= space;
    }
    cells = cells < left ? cells : left;
    fwrite(text, 1, ak_text_fit(text, cells), out);
    left -= cells;
    if (last)
        return left;
    space = (table->right[column] ? 0 : space) + GAP;
    space = space < left ? space : left;
    pad(out, space);
    return left - space;
}

void ak_table_print(const ak_table *table, FILE *out)
{
    size_t width = ak_text_width(out), left = 0;

    for (size_t i = 0; i < table->cells; i++) {
        size_t column = i % table->columns;

        if (column == 0)
            left = width ? width : SIZE_MAX;
        left = print_cell(table, column, table->cell[i], left, out);
        if (column + 1 == table->columns)
            fputc('\n', out);
    }
}
