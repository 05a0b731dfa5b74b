// worker/format/folder.h -- folders of a job, so that what is in them is found after a power cut.

#ifndef AK_FORMAT_FOLDER_H
#define AK_FORMAT_FOLDER_H

#include "akssl/status.h"

// ak_folder_make makes a folder and flushes its entry; fine if it exists.
akssl_status ak_folder_make(const char *path) AKSSL_MUST_CHECK;

// ak_folder_sync flushes a folder's entries; ak_folder_sync_of those of the folder that path is in.
akssl_status ak_folder_sync(const char *path) AKSSL_MUST_CHECK;
akssl_status ak_folder_sync_of(const char *path) AKSSL_MUST_CHECK;

#endif
