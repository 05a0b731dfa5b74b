// client/cli/table.h -- columns that line up.

#ifndef AK_CLI_TABLE_H
#define AK_CLI_TABLE_H

#include <stdint.h>
#include <stdio.h>

typedef struct ak_table ak_table;

// ak_table_new starts a table whose first row is the headings (ended by NULL).  A heading that
// starts with '>' makes its column flush right.
ak_table *ak_table_new(const char *const *headings);
void ak_table_free(ak_table *table);

// ak_table_add adds the next cell, row by row; control characters are made harmless.
void ak_table_add(ak_table *table, const char *text);

// ak_table_print writes the rows; on a terminal each is cut to its width.
void ak_table_print(const ak_table *table, FILE *out);

#endif
