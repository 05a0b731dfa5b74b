// worker/data/inflow.h -- the bytes of a file, plain or gzip, read once from front to back.

#ifndef AK_DATA_INFLOW_H
#define AK_DATA_INFLOW_H

#include <stddef.h>
#include <stdint.h>

#include "akssl/status.h"

typedef struct ak_inflow ak_inflow;

// ak_inflow_open tells gzip by its first bytes.  ERR_NOT_FOUND, ERR_IO, ...
akssl_status ak_inflow_open(ak_inflow **out, const char *path) AKSSL_MUST_CHECK;
void ak_inflow_close(ak_inflow *flow); // NULL-safe

// ak_inflow_read fills all of bytes or fails: ERR_CORRUPT when the file ends before or is damaged.
akssl_status ak_inflow_read(ak_inflow *flow, void *bytes, size_t size) AKSSL_MUST_CHECK;

// ak_inflow_end fails with ERR_CORRUPT unless the file ends here, with its checksum right.
akssl_status ak_inflow_end(ak_inflow *flow) AKSSL_MUST_CHECK;

// ak_inflow_most bounds what the file can hold: what to compare a size with before allocating it.
uint64_t ak_inflow_most(const ak_inflow *flow);

const char *ak_inflow_path(const ak_inflow *flow); // as given

#endif
