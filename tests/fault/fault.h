// tests/fault/fault.h -- what the parts of the library to preload have of each other.

#ifndef AK_TESTS_FAULT_FAULT_H
#define AK_TESTS_FAULT_FAULT_H

#include <stdbool.h>

// fault_fails counts a call in the life of a job, on a path or what is open as fd; true, with
// errno, when it is to fail.
bool fault_fails(const char *call, const char *path);
bool fault_fails_at(const char *call, int fd);

// power.c keeps what was made, renamed and written, until it is flushed.
void fault_remember_made(const char *path);
void fault_remember_write(const char *path, int fd);
void fault_remember_rename(const char *from, const char *to);

// fault_flushed: a flush of path makes its bytes safe, or of a folder the names in it.
void fault_flushed(const char *path);

// fault_take_back undoes what was not flushed.
void fault_take_back(void);

#endif
