// worker/nn/rows.h -- looking a name up in a table of rows whose first member is their name.

#ifndef AK_NN_ROWS_H
#define AK_NN_ROWS_H

#include "akssl/status.h"

// ak_rows_find gives the index of the row called name ('-' and '_' are one), or -1.  rows ends
// with NULL; each row is a struct that begins with `const char *name`.
int ak_rows_find(const void *const *rows, const char *name);

// ak_rows_unknown fails with ERR_NOT_FOUND: "what 'name': no such what; there are a, b, c".
akssl_status ak_rows_unknown(const void *const *rows, const char *what, const char *name);

#endif
