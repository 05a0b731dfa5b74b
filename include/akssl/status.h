// akssl/status.h -- what every call of the library returns: 0, or one of these negative codes.
//
// The code says what kind of failure it is; akssl_last_error() says in one sentence what failed,
// where, and what to do about it.

#ifndef AKSSL_STATUS_H
#define AKSSL_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define AKSSL_MUST_CHECK __attribute__((warn_unused_result))
#define AKSSL_API __attribute__((visibility("default")))
#else
#define AKSSL_MUST_CHECK
#define AKSSL_API
#endif

// One row per code: name, number, text.  Numbers are never reused.
#define AKSSL_STATUS_MAP(X)                                                                        \
    X(ERR_INVALID, -1, "invalid argument")                                                         \
    X(ERR_NOT_FOUND, -2, "not found")                                                              \
    X(ERR_EXISTS, -3, "exists already")                                                            \
    X(ERR_STATE, -4, "not possible in this state")                                                 \
    X(ERR_UNAVAILABLE, -5, "cannot be reached")                                                    \
    X(ERR_DEADLINE, -6, "took too long")                                                           \
    X(ERR_CANCELLED, -7, "cancelled")                                                              \
    X(ERR_PERMISSION, -8, "not permitted")                                                         \
    X(ERR_LIMIT, -9, "over a limit")                                                               \
    X(ERR_IO, -10, "input or output failed")                                                       \
    X(ERR_NO_SPACE, -11, "no space left")                                                          \
    X(ERR_CORRUPT, -12, "damaged data")                                                            \
    X(ERR_NO_MEMORY, -13, "out of memory")                                                         \
    X(ERR_UNSUPPORTED, -14, "not supported")                                                       \
    X(ERR_INTERNAL, -15, "internal error")                                                         \
    X(ERR_UNAUTHENTICATED, -16, "not known here")

typedef enum akssl_status {
    AKSSL_OK = 0,
#define AKSSL_STATUS_ENUM(name, number, text) AKSSL_##name = number,
    AKSSL_STATUS_MAP(AKSSL_STATUS_ENUM)
#undef AKSSL_STATUS_ENUM
} akssl_status;

// akssl_strstatus gives the text of a code; never NULL.  Any thread.
AKSSL_API const char *akssl_strstatus(akssl_status status);

// akssl_last_error gives the sentence of the calling thread's last failure.  Valid until the
// thread's next call of the library; "" when nothing has failed.
AKSSL_API const char *akssl_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
