// tests/unit/worker/train/init.c -- tests worker/train/init.c.

#include "worker/train/init.h"

#include "tests/unit/worker/train/small.h"

typedef struct setting {
    char *folder, path[600];
    ak_comm *comm;
} setting;

static setting make(void)
{
    setting s = { .folder = ak_rig_folder() };

    snprintf(s.path, sizeof s.path, "%s/other.safetensors", s.folder);
    ak_rig_ok(ak_comm_open(&s.comm));
    return s;
}

static void end(setting *s)
{
    ak_comm_close(s->comm);
    ak_rig_remove(s->folder);
}

static ak_trainer *trainer(const setting *s, const char *method, const char *backbone,
                           const char *seed)
{
    ak_spec spec = ak_small_spec(method);
    ak_trainer *t;

    ak_small_set(&spec, "backbone", backbone);
    ak_small_set(&spec, "seed", seed);
    t = ak_small_trainer(&spec, s->comm);
    ak_spec_fini(&spec);
    return t;
}

static bool is_backbones(const ak_param *p)
{
    return strncmp(p->name, "backbone.", strlen("backbone.")) == 0;
}

// What is to be wrong with the file.
typedef struct fault {
    const char *missing, *reshaped;
} fault;

static bool in_file(const ak_param *p, fault f)
{
    return is_backbones(p) && !(f.missing && strcmp(p->name, f.missing) == 0);
}

// Writes the backbone of t, names behind `prefix`, and besides a head of torchvision's.
static void write_file(const setting *s, const ak_trainer *t, const char *prefix, fault f)
{
    const int64_t fc[2] = { 10, 4 };
    float zeros[40] = { 0 };
    ak_safetensors_writer *w = NULL;

    ak_rig_ok(ak_safetensors_create(&w, s->path));
    ak_safetensors_declare(w, "fc.weight", AK_F32, 2, fc);
    for (int i = 0; i < t->model.count; i++) {
        const ak_param *p = t->model.params[i];
        int64_t flat[2] = { 1, p->numel };
        char name[200];

        if (!in_file(p, f))
            continue;
        snprintf(name, sizeof name, "%s%s", prefix, p->name + strlen("backbone."));
        if (f.reshaped && strcmp(p->name, f.reshaped) == 0)
            ak_safetensors_declare(w, name, AK_F32, 2, flat);
        else
            ak_safetensors_declare(w, name, p->role == AK_ROLE_COUNT ? AK_I64 : AK_F32, p->dims,
                                   p->shape);
    }
    ak_rig_ok(ak_safetensors_write(w, zeros, sizeof zeros));
    for (int i = 0; i < t->model.count; i++) {
        const ak_param *p = t->model.params[i];

        if (in_file(p, f) && p->role == AK_ROLE_COUNT)
            ak_rig_ok(ak_safetensors_write(w, &p->count, sizeof p->count));
        else if (in_file(p, f))
            ak_rig_ok(ak_safetensors_write(w, p->value, (size_t)p->numel * sizeof(float)));
    }
    ak_rig_ok(ak_safetensors_commit(w, NULL, NULL));
    ak_safetensors_writer_free(w);
}

static void same(const ak_param *a, const ak_param *b)
{
    if (a->role == AK_ROLE_COUNT)
        ck_assert_int_eq(a->count, b->count);
    else
        ak_rig_same(b->name, a->value, b->value, a->numel);
}

// The file of `from` read into a run of another seed: its backbone and the momentum copy are
// from's, all else is its own.
static void starts_from(const char *method, const char *backbone, const char *prefix)
{
    setting s = make();
    ak_trainer *from = trainer(&s, "simclr", backbone, "1"),
               *to = trainer(&s, method, backbone, "2"),
               *apart = trainer(&s, method, backbone, "2");
    int copies = 0, own = 0;

    (void)ak_small_step(from, 1e-2); // running statistics and counts move
    write_file(&s, from, prefix, (fault){ 0 });
    ak_rig_ok(ak_init_backbone(to, s.path));
    for (int i = 0; i < to->model.count; i++) {
        const ak_param *p = to->model.params[i];
        bool target = strncmp(p->name, "target.backbone.", strlen("target.backbone.")) == 0;

        if (target || is_backbones(p)) {
            same(ak_model_find(&from->model, p->name + (target ? strlen("target.") : 0)), p);
            copies += target;
        } else {
            same(ak_model_find(&apart->model, p->name), p);
            own++;
        }
    }
    ck_assert(own > 0 && (copies > 0) == (to->model.target_size > 0));
    (void)ak_small_step(to, 1e-3);
    ak_trainer_free(from);
    ak_trainer_free(to);
    ak_trainer_free(apart);
    end(&s);
}

// A file that does not say what it is, and has more blocks.
START_TEST(not_from_a_part)
{
    setting s = make();
    ak_trainer *from = trainer(&s, "simclr", "resnet34", "1"),
               *to = trainer(&s, "byol", "resnet18", "2");

    write_file(&s, from, "", (fault){ 0 });
    ak_rig_refused(ak_init_backbone(to, s.path), AKSSL_ERR_INVALID,
                   "they have 'layer1.2.conv1.weight', which this backbone has not");
    ak_trainer_free(from);
    ak_trainer_free(to);
    end(&s);
}
END_TEST

START_TEST(from_torchvisions_names)
{
    starts_from("simclr", "resnet20", "");
}
END_TEST

START_TEST(from_our_names)
{
    starts_from("simclr", "resnet20", "backbone.");
}
END_TEST

START_TEST(into_the_momentum_network_too)
{
    starts_from("moco_v2", "resnet20", "");
}
END_TEST

START_TEST(from_timms_names)
{
    starts_from("moco_v2", "vit_tiny:patch_size=8,depth=2", "");
}
END_TEST

static void refused(const char *backbone, fault f, akssl_status code, const char *part)
{
    setting s = make();
    ak_trainer *t = trainer(&s, "simclr", backbone, "1");

    write_file(&s, t, "", f);
    ak_rig_refused(ak_init_backbone(t, s.path), code, part);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), s.path));
    ak_trainer_free(t);
    end(&s);
}

START_TEST(what_is_wrong_is_named)
{
    refused("resnet20", (fault){ .missing = "backbone.layer2.0.conv1.weight" }, AKSSL_ERR_NOT_FOUND,
            "'layer2.0.conv1.weight' is missing");
    refused("resnet20", (fault){ .missing = "backbone.bn1.running_var" }, AKSSL_ERR_NOT_FOUND,
            "'bn1.running_var' is missing");
    refused("resnet20", (fault){ .reshaped = "backbone.conv1.weight" }, AKSSL_ERR_INVALID,
            "'conv1.weight' has another shape");
    refused("vit_tiny:patch_size=8,depth=2", (fault){ .reshaped = "backbone.pos_embed" },
            AKSSL_ERR_INVALID, "'pos_embed' has another shape");
}
END_TEST

// Files older than batch norm's counters.
START_TEST(without_counts)
{
    setting s = make();
    ak_trainer *t = trainer(&s, "simclr", "resnet20", "1");

    (void)ak_small_step(t, 1e-3);
    write_file(&s, t, "", (fault){ .missing = "backbone.bn1.num_batches_tracked" });
    ak_rig_ok(ak_init_backbone(t, s.path));
    ck_assert_int_eq(ak_model_find(&t->model, "backbone.bn1.num_batches_tracked")->count, 0);
    ck_assert_int_eq(ak_model_find(&t->model, "backbone.layer1.0.bn1.num_batches_tracked")->count,
                     1);
    ak_trainer_free(t);
    end(&s);
}
END_TEST

START_TEST(no_such_file)
{
    setting s = make();
    ak_trainer *t = trainer(&s, "simclr", "resnet20", "1");

    ak_rig_refused(ak_init_backbone(t, s.path), AKSSL_ERR_NOT_FOUND, "other.safetensors");
    ak_trainer_free(t);
    end(&s);
}
END_TEST

AK_TEST_MAIN(AK_CASE(not_from_a_part), AK_CASE(from_torchvisions_names), AK_CASE(from_our_names),
             AK_CASE(into_the_momentum_network_too), AK_CASE(from_timms_names),
             AK_CASE(what_is_wrong_is_named), AK_CASE(without_counts), AK_CASE(no_such_file))
