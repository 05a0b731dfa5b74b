// proto/base/mapped.h -- what a mapped file that cannot be read does to a program.

#ifndef AK_BASE_MAPPED_H
#define AK_BASE_MAPPED_H

// ak_mapped_guard, at the start of main, has SIGBUS for a page of a mapped file (one that was cut,
// or whose disk fails) end the process with exit code 1 and a sentence on stderr, which names
// program and file.  Any other SIGBUS does what it did.
void ak_mapped_guard(void);

#endif
