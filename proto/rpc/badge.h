// proto/rpc/badge.h -- what is known of a TCP connection, shared by the gate's thread and the
// loop's.

#ifndef AK_RPC_BADGE_H
#define AK_RPC_BADGE_H

#include <stdatomic.h>
#include <stdbool.h>

// All but `known` is written before it is shared.
typedef struct ak_badge {
    atomic_int holders;
    atomic_bool known; // a call on it has shown who calls: it may stay
    char address[64];  // "10.0.0.5:41234", "[2001:db8::5]:41234"
    char name[65];     // the common name in the caller's certificate; "": it showed none
} ak_badge;

ak_badge *ak_badge_new(void); // one holder
ak_badge *ak_badge_hold(ak_badge *badge);
void ak_badge_rele(ak_badge *badge); // NULL-safe; any thread

#endif
