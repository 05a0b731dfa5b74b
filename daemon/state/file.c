// daemon/state/file.c -- a job's state as a safetensors file.

#include "daemon/state/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/base/option.h"
#include "proto/format/safetensors.h"

enum { WRITE_MOST = 1 << 20 }; // bytes at a time

#define FILE_MOST (AK_STATE_MAX_BYTES + ((size_t)1 << 20)) // with a header of 16 tensors

static void set_number(ak_safetensors_writer *w, const char *name, const char *field, int64_t value)
{
    char key[AK_STATE_MAX_NAME + 16], text[24];

    snprintf(key, sizeof key, "%s%s%s", name, name[0] ? "." : "", field);
    snprintf(text, sizeof text, "%" PRId64, value);
    ak_safetensors_set_meta(w, key, text);
}

static akssl_status write_tensors(ak_safetensors_writer *w, const ak_state *state, int64_t step)
{
    akssl_status rc = AKSSL_OK;

    ak_safetensors_set_meta(w, "format", "akssl-state-1");
    set_number(w, "", "step", step);
    for (int i = 0; i < state->count; i++) {
        const ak_state_info *info = &state->tensors[i].info;

        set_number(w, info->name, "version", info->version);
        set_number(w, info->name, "filled", info->filled);
        set_number(w, info->name, "position", info->position);
        ak_safetensors_declare(w, info->name, AK_F32, info->dims, info->shape);
    }
    for (int i = 0; i < state->count && rc == AKSSL_OK; i++)
        rc = ak_safetensors_write(w, ak_state_data(&state->tensors[i]), state->tensors[i].size);
    return rc;
}

akssl_status ak_state_write(const ak_state *state, int64_t step, const char *path, uint64_t *size,
                            char digest[33])
{
    ak_safetensors_buffer buffer = { 0 };
    ak_safetensors_writer *w = NULL;
    akssl_status rc;

    rc = ak_safetensors_create(&w, path);
    if (rc < 0)
        return rc;
    ak_safetensors_gather(w, &buffer, WRITE_MOST);
    rc = write_tensors(w, state, step);
    if (rc == AKSSL_OK)
        rc = ak_safetensors_commit(w, size, digest);
    ak_safetensors_writer_free(w);
    ak_safetensors_buffer_fini(&buffer);
    return rc;
}

static akssl_status get_number(const ak_safetensors *file, const char *name, const char *field,
                               int64_t *value)
{
    char key[AK_STATE_MAX_NAME + 16];
    const char *text;

    snprintf(key, sizeof key, "%s.%s", name, field);
    text = ak_safetensors_meta(file, key);
    if (!text)
        return ak_fail(AKSSL_ERR_CORRUPT, "metadata '%s' is missing", key);
    return ak_parse_int(text, value) < 0 ? ak_wrap(AKSSL_ERR_CORRUPT, "metadata '%s'", key)
                                         : AKSSL_OK;
}

static akssl_status read_tensor(ak_state *state, const ak_safetensors *file,
                                const ak_safetensors_entry *entry)
{
    ak_state_info info = { .dims = entry->dims };
    akssl_status rc;

    if (entry->dtype != AK_F32 || entry->dims < 1 || entry->dims > AK_STATE_MAX_DIMS ||
        strlen(entry->name) > AK_STATE_MAX_NAME)
        return ak_fail(AKSSL_ERR_CORRUPT, "tensor '%.64s' is no float32 tensor of 1 to %d axes",
                       entry->name, AK_STATE_MAX_DIMS);
    snprintf(info.name, sizeof info.name, "%s", entry->name);
    for (int i = 0; i < entry->dims; i++)
        info.shape[i] = entry->shape[i];
    rc = get_number(file, info.name, "version", &info.version);
    if (rc == AKSSL_OK)
        rc = get_number(file, info.name, "filled", &info.filled);
    if (rc == AKSSL_OK)
        rc = get_number(file, info.name, "position", &info.position);
    if (rc == AKSSL_OK)
        rc = ak_state_declare(state, &info);
    if (rc == AKSSL_OK)
        rc = ak_state_fill(state, info.name, 0, ak_safetensors_data(file, entry), entry->size);
    return rc;
}

akssl_status ak_state_read(ak_state **out, const char *path)
{
    ak_safetensors *file = NULL;
    ak_state *state;
    akssl_status rc;

    rc = ak_safetensors_load(&file, path, FILE_MOST);
    if (rc < 0)
        return rc;
    state = ak_state_new();
    for (int i = 0; i < ak_safetensors_count(file) && rc == AKSSL_OK; i++)
        rc = read_tensor(state, file, ak_safetensors_at(file, i));
    ak_safetensors_close(file);
    if (rc < 0) {
        ak_state_free(state);
        return ak_wrap(rc, "state '%s'", path);
    }
    *out = state;
    return AKSSL_OK;
}
