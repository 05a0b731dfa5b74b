// proto/base/error.h -- a failure is a status code and one sentence, kept per thread.

#ifndef AK_BASE_ERROR_H
#define AK_BASE_ERROR_H

#include <stdbool.h>

#include "akssl/status.h"

// ak_fail stores the sentence (what, where, remedy) for this thread and returns code, so that a
// failing function ends in `return ak_fail(AKSSL_ERR_INVALID, "batch %" PRId64 ...)`.  Sentences
// over 1023 bytes are cut.
akssl_status ak_fail(akssl_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// ak_wrap puts "context: " in front of this thread's sentence and returns code unchanged.
akssl_status ak_wrap(akssl_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// ak_fail_told is ak_fail with a sentence that came over the wire: the other side is there, and
// this is its answer.
akssl_status ak_fail_told(akssl_status code, const char *answer);

// ak_error_told says whether this thread's last failure is such an answer; ak_wrap leaves it one.
bool ak_error_told(void);

// ak_fail_errno is ak_fail with ": <text of errno>" behind it; the code follows from errno
// (ENOENT: NOT_FOUND, ENOSPC and EDQUOT: NO_SPACE, EACCES and EPERM: PERMISSION, EEXIST: EXISTS,
// ENOMEM: NO_MEMORY, EMFILE and ENFILE: LIMIT, EROFS and else: IO).
akssl_status ak_fail_errno(int error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// ak_is_unwritten says that a code is what a write fails with when its bytes cannot be kept: room,
// the disk, or the right to write.  Nothing is wrong with the bytes, which may be written later.
bool ak_is_unwritten(akssl_status code);

// ak_error_text is akssl_last_error for code inside the project.
const char *ak_error_text(void);

#endif
