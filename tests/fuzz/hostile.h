// tests/fuzz/hostile.h -- a coordinator made of an input's bytes, below proto/rpc/channel.c.
//
// hostile.c stands in for gRPC's calls: whatever the client or the worker asks, it answers with the
// script's next record.  Time is the script's too: a wait that nothing ends passes at once.

#ifndef AK_TESTS_FUZZ_HOSTILE_H
#define AK_TESTS_FUZZ_HOSTILE_H

#include "tests/fuzz/fuzz.h"

// A record: kind, one byte; then, of a message, its bytes as a part, and of an end, gRPC's code,
// the trailing akssl-status (a part), the sentence (the rest of the part).  The script's end is an
// end of every stream, as UNAVAILABLE.
enum { HOSTILE_MESSAGE, HOSTILE_END, HOSTILE_NOTHING, HOSTILE_NO_SEND, HOSTILE_KINDS };

// hostile_start gives the script, borrowed until the next one.
void hostile_start(fuzz_bytes script);

#endif
