// akssl/version.h -- which version of the library a program was built for, and which it runs with.

#ifndef AKSSL_VERSION_H
#define AKSSL_VERSION_H

#include <akssl/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AKSSL_VERSION_MAJOR 0 // changes when a program must be changed
#define AKSSL_VERSION_MINOR 2 // changes when something is added
#define AKSSL_VERSION_PATCH 0 // changes when something is mended

// akssl_version gives the version that the program runs with, such as "0.1.0".  Any thread.
AKSSL_API const char *akssl_version(void);

#ifdef __cplusplus
}
#endif

#endif
