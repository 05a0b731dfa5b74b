// worker/data/idx.h -- reads a folder of IDX files (the format of MNIST).

#ifndef AK_DATA_IDX_H
#define AK_DATA_IDX_H

#include "worker/data/kind.h"

// ak_idx_open fills set from a folder of {train,t10k,test}-images-idx3-ubyte and
// ...-labels-idx1-ubyte, plain or .gz, with '.' or '-' before idx; images may be idx4, whose last
// axis is 3 channels.  The training part may lack labels.  ERR_NOT_FOUND when a file is missing.
akssl_status ak_idx_open(ak_dataset *set, const char *folder, ak_split split,
                         int64_t limit) AKSSL_MUST_CHECK;

#endif
