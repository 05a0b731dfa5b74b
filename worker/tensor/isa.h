// worker/tensor/isa.h -- the instruction sets that products and convolutions are written for.
//
// Sums in wider vectors are other sums, in the last bits: the set is part of a run's result, so it
// is chosen once, for all ranks, and kept (worker/train/machine.h).

#ifndef AK_TENSOR_ISA_H
#define AK_TENSOR_ISA_H

#include <stdbool.h>

#include "akssl/status.h"

typedef enum ak_isa {
    AK_ISA_PLAIN = 1, // what every CPU has
    AK_ISA_AVX2,      // with FMA
    AK_ISA_AVX512,    // F, BW, DQ and VL
} ak_isa;

// ak_isa_of_cpu is the widest that this CPU has.
ak_isa ak_isa_of_cpu(void);

const char *ak_isa_name(ak_isa isa);

// ak_isa_has_bf16: whether this CPU multiplies bf16 (AVX512_BF16).
bool ak_isa_has_bf16(void);

// ak_isa_find gives the set called name, "" being the CPU's; ERR_INVALID.
akssl_status ak_isa_find(ak_isa *out, const char *name) AKSSL_MUST_CHECK;

// ak_isa_runs_on: whether a CPU whose widest set is cpu gives the bits of isa.  Of the plain loops
// the compiler makes others for wider sets, so those are a CPU's that has no more.
bool ak_isa_runs_on(ak_isa isa, ak_isa cpu);

#endif
