// tests/unit/worker/train/frozen.c -- tests worker/train/frozen.c: the digest sees every byte.

#include "tests/unit/worker/train/labelled.h"
#include "worker/train/commit.h"
#include "worker/train/frozen.h"

START_TEST(any_byte_counts)
{
    ak_labelled l = ak_labelled_job("linear");
    ak_frozen f = { 0 };

    ak_rig_ok(ak_frozen_open(&f, &l.spec, l.comm));
    ak_rig_ok(ak_frozen_check(&f));
    for (int i = 0; i < f.model.count; i++) {
        ak_param *p = f.model.params[i];
        unsigned char *byte = p->role == AK_ROLE_COUNT ? (unsigned char *)&p->count
                                                       : (unsigned char *)(p->value + p->numel / 2);

        *byte ^= 1;
        ak_rig_refused(ak_frozen_check(&f), AKSSL_ERR_INTERNAL, "frozen backbone has changed");
        *byte ^= 1;
    }
    ak_rig_ok(ak_frozen_check(&f));
    ak_frozen_close(&f);
    ak_labelled_end(&l);
}
END_TEST

START_TEST(says_what_is_missing)
{
    ak_labelled l = ak_labelled_job("linear");
    ak_frozen f = { 0 }, g = { 0 };

    ak_small_set(&l.spec, "backbone", "resnet34");
    ak_rig_refused(ak_frozen_open(&f, &l.spec, l.comm), AKSSL_ERR_INVALID,
                   "and this one is 'resnet34': give --backbone");
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "weights.safetensors"));
    ak_frozen_close(&f);
    ak_small_set(&l.spec, "weights", "/nowhere.safetensors");
    ak_rig_refused(ak_frozen_open(&g, &l.spec, l.comm), AKSSL_ERR_NOT_FOUND, "/nowhere");
    ak_frozen_close(&g);
    ak_labelled_end(&l);
}
END_TEST

// Weights whose tensors would all fit, of a network that computes something else.
static void refuses(const char *theirs, const char *ours, const char *sentence)
{
    ak_spec spec = ak_small_spec("simclr");
    char *folder = ak_rig_folder();
    ak_str path = AK_STR_INIT;
    ak_frozen f = { 0 }, same = { 0 };
    ak_comm *comm;
    ak_trainer *t;

    ak_small_set(&spec, "image-size", "32");
    ak_small_set(&spec, "backbone", theirs);
    ak_rig_ok(ak_check_spec(&spec));
    ak_rig_ok(ak_comm_open(&comm));
    t = ak_small_trainer(&spec, comm);
    ak_rig_ok(ak_export_backbone(t, &spec, folder, &path));
    ak_small_set(&spec, "weights", path.text);
    ak_rig_ok(ak_frozen_open(&same, &spec, comm));
    ak_frozen_close(&same);
    ak_small_set(&spec, "backbone", ours);
    ak_rig_refused(ak_frozen_open(&f, &spec, comm), AKSSL_ERR_INVALID, sentence);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), theirs));
    ak_frozen_close(&f);
    ak_trainer_free(t);
    ak_comm_close(comm);
    ak_str_fini(&path);
    ak_spec_fini(&spec);
    ak_rig_remove(folder);
}

START_TEST(another_network_is_not_taken_for_it)
{
    refuses("vit_tiny:heads=6,depth=2", "vit_tiny:depth=2",
            "with heads=6, and this one has heads=3");
    refuses("resnet34", "resnet18",
            "they are of a backbone 'resnet34', and this one is 'resnet18'");
    refuses("vit_tiny:depth=3", "vit_tiny:depth=2", "with depth=3, and this one has depth=2");
}
END_TEST

AK_TEST_MAIN(AK_CASE(any_byte_counts), AK_CASE(says_what_is_missing),
             AK_CASE(another_network_is_not_taken_for_it))
