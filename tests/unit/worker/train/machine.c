// tests/unit/worker/train/machine.c -- tests what a run computes with: chosen once, kept in its
// commits, refused where the CPU has not got it.

#include "tests/unit/worker/train/small.h"
#include "worker/train/commit.h"
#include "worker/train/machine.h"

// One that this CPU does not compute with: there always is.
static const char *foreign(void)
{
    return ak_isa_of_cpu() == AK_ISA_AVX512 ? "plain" : "avx512";
}

static ak_spec spec_with(const char *instructions)
{
    ak_spec spec = ak_small_spec("simclr");

    ak_small_set(&spec, "instructions", instructions);
    return spec;
}

static const char *settle(ak_spec *spec, const char *commit)
{
    bool elsewhere = true;
    ak_comm *comm;

    ak_rig_ok(ak_comm_open(&comm));
    ak_rig_ok(ak_machine_settle(spec, commit, comm, &elsewhere));
    ck_assert(!elsewhere);
    ak_comm_close(comm);
    return spec->instructions;
}

// A folder with a commit of a run on such a machine; without instructions: of an older version.
static char *commit_of(const char *instructions)
{
    char *folder = ak_rig_folder(), path[600];
    ak_safetensors_writer *w;
    ak_commit_file file;
    const float one = 1;

    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    ak_rig_ok(ak_safetensors_create(&w, path));
    ak_safetensors_set_meta(w, "step", "1");
    if (instructions)
        ak_safetensors_set_meta(w, AK_MACHINE_KEY, instructions);
    ak_safetensors_declare(w, "x", AK_F32, 0, NULL);
    ak_rig_ok(ak_safetensors_write(w, &one, sizeof one));
    ak_rig_ok(ak_safetensors_commit(w, &file.size, file.digest));
    ak_safetensors_writer_free(w);
    return folder;
}

START_TEST(a_run_begins_with_the_best_there_is)
{
    ak_spec spec = spec_with("");

    ck_assert_str_eq(settle(&spec, ""), ak_isa_name(ak_isa_of_cpu()));
    ak_spec_fini(&spec);
}
END_TEST

START_TEST(a_spec_may_ask_for_less)
{
    ak_spec spec;

    if (ak_isa_of_cpu() != AK_ISA_AVX512)
        return; // no CPU has less than it and runs it
    spec = spec_with("avx2");
    ck_assert_str_eq(settle(&spec, ""), "avx2");
    ak_spec_fini(&spec);
}
END_TEST

START_TEST(it_goes_on_with_what_its_commit_was_computed_with)
{
    const char *mine = ak_isa_name(ak_isa_of_cpu());
    char *folder = commit_of(ak_isa_of_cpu() == AK_ISA_AVX512 ? "avx2" : mine);
    ak_spec spec = spec_with("");

    ck_assert_str_eq(settle(&spec, folder), ak_isa_of_cpu() == AK_ISA_AVX512 ? "avx2" : mine);
    ak_rig_remove(folder);
    ak_spec_fini(&spec);
    spec = spec_with("");
    folder = commit_of(NULL);
    ck_assert_str_eq(settle(&spec, folder), mine);
    ak_rig_remove(folder);
    ak_spec_fini(&spec);
}
END_TEST

static void refuse(const char *instructions, const char *commit, const char *sentence)
{
    ak_spec spec = spec_with(instructions);
    bool elsewhere = false;
    ak_comm *comm;

    ak_rig_ok(ak_comm_open(&comm));
    ak_rig_refused(ak_machine_settle(&spec, commit, comm, &elsewhere), AKSSL_ERR_STATE, sentence);
    ck_assert(elsewhere);
    ak_comm_close(comm);
    ak_spec_fini(&spec);
}

START_TEST(what_the_cpu_has_not_got_is_refused)
{
    char *folder = commit_of(foreign());
    ak_spec spec = spec_with(foreign());
    ak_world world;
    ak_comm *comm;

    refuse(foreign(), "", "as its spec does");
    refuse("", folder, "as the commit that it goes on from does");
    ak_rig_ok(ak_comm_open(&comm));
    ak_rig_refused(ak_machine_world(&world, &spec, comm), AKSSL_ERR_STATE, "does not compute with");
    ak_comm_close(comm);
    ak_spec_fini(&spec);
    ak_rig_remove(folder);
}
END_TEST

// A run in bf16 goes on from no commit of less; without one it needs a CPU that has it.
START_TEST(bf16_needs_its_instructions)
{
    char *folder = commit_of("avx2");
    ak_spec spec = spec_with("");
    bool elsewhere = false;
    ak_comm *comm;

    ak_small_set(&spec, "precision", "bf16");
    ak_rig_ok(ak_comm_open(&comm));
    if (ak_isa_runs_on(AK_ISA_AVX2, ak_isa_of_cpu()))
        ak_rig_refused(ak_machine_settle(&spec, folder, comm, &elsewhere), AKSSL_ERR_STATE,
                       "computes with avx2");
    if (ak_isa_has_bf16())
        ak_rig_ok(ak_machine_settle(&spec, "", comm, &elsewhere));
    else
        ak_rig_refused(ak_machine_settle(&spec, "", comm, &elsewhere), AKSSL_ERR_STATE,
                       "precision bf16");
    ck_assert(elsewhere == !ak_isa_has_bf16());
    ak_comm_close(comm);
    ak_spec_fini(&spec);
    ak_rig_remove(folder);
}
END_TEST

START_TEST(a_damaged_name_is_refused)
{
    char *folder = commit_of("avx1024");
    ak_spec spec = spec_with("");
    bool elsewhere = true;
    ak_comm *comm;

    ak_rig_ok(ak_comm_open(&comm));
    ak_rig_refused(ak_machine_settle(&spec, folder, comm, &elsewhere), AKSSL_ERR_INVALID,
                   "avx1024");
    ck_assert(!elsewhere);
    ak_comm_close(comm);
    ak_spec_fini(&spec);
    ak_rig_remove(folder);
}
END_TEST

AK_TEST_MAIN(AK_CASE(a_run_begins_with_the_best_there_is), AK_CASE(a_spec_may_ask_for_less),
             AK_CASE(it_goes_on_with_what_its_commit_was_computed_with),
             AK_CASE(what_the_cpu_has_not_got_is_refused), AK_CASE(bf16_needs_its_instructions),
             AK_CASE(a_damaged_name_is_refused))
