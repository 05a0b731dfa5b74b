// tests/fuzz/packed.c -- any bytes as a packed data set; with its digests made right, so that what
// they would refuse is read.
//
// An input: whether to make the digests right, how many images to keep, the file.

#include "tests/fuzz/sets.h"
#include "worker/data/pack.h"

static void make_right(uint8_t *file, size_t size)
{
    ak_pack_head head;

    if (size < sizeof head)
        return;
    memcpy(&head, file, sizeof head);
    if (head.index_offset <= size)
        head.index_digest = ak_digest_short(file + head.index_offset, size - head.index_offset);
    head.file_size = size;
    head.head_digest = ak_digest_short(&head, offsetof(ak_pack_head, head_digest));
    memcpy(file, &head, sizeof head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes input = { data, size };
    bool right = fuzz_number(&input, 1) % 2;
    int64_t limit = (int64_t)fuzz_number(&input, 1);
    char path[300], name[400], *file = fuzz_text(input);

    if (right)
        make_right((uint8_t *)file, input.left);
    fuzz_empty(fuzz_folder());
    snprintf(path, sizeof path, "%s/set.akpacked", fuzz_folder());
    fuzz_write(path, file, input.left);
    free(file);
    snprintf(name, sizeof name, "packed:%s", path);
    fuzz_set(name, NULL, limit);
    return 0;
}
