// tests/unit/worker/train/frozen.c -- tests worker/train/frozen.c: the digest sees every byte.

#include "tests/unit/worker/train/labelled.h"
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
    ak_rig_refused(ak_frozen_open(&f, &l.spec, l.comm), AKSSL_ERR_NOT_FOUND, "layer1.2");
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "weights.safetensors"));
    ak_frozen_close(&f);
    ak_small_set(&l.spec, "weights", "/nowhere.safetensors");
    ak_rig_refused(ak_frozen_open(&g, &l.spec, l.comm), AKSSL_ERR_NOT_FOUND, "/nowhere");
    ak_frozen_close(&g);
    ak_labelled_end(&l);
}
END_TEST

AK_TEST_MAIN(AK_CASE(any_byte_counts), AK_CASE(says_what_is_missing))
