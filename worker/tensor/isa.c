// worker/tensor/isa.c -- the instruction sets that products and convolutions are written for.

#include "worker/tensor/isa.h"

#include <string.h>

#include "proto/base/error.h"

static const char *const names[] = {
    [AK_ISA_PLAIN] = "plain", [AK_ISA_AVX2] = "avx2", [AK_ISA_AVX512] = "avx512"
};

ak_isa ak_isa_of_cpu(void)
{
#ifdef __x86_64__
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");

    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return AK_ISA_AVX512;
    if (avx2)
        return AK_ISA_AVX2;
#endif
    return AK_ISA_PLAIN;
}

bool ak_isa_has_bf16(void)
{
#ifdef __x86_64__
    return ak_isa_of_cpu() == AK_ISA_AVX512 && __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

const char *ak_isa_name(ak_isa isa)
{
    return names[isa];
}

akssl_status ak_isa_find(ak_isa *out, const char *name)
{
    *out = ak_isa_of_cpu();
    if (!name[0])
        return AKSSL_OK;
    for (ak_isa isa = AK_ISA_PLAIN; isa <= AK_ISA_AVX512; isa++)
        if (strcmp(names[isa], name) == 0) {
            *out = isa;
            return AKSSL_OK;
        }
    return ak_fail(AKSSL_ERR_INVALID,
                   "there is no instruction set '%.32s': give avx512, avx2 or plain", name);
}

bool ak_isa_runs_on(ak_isa isa, ak_isa cpu)
{
    return isa == cpu || (isa < cpu && isa != AK_ISA_PLAIN);
}
