// tests/system/pixels.c -- the first images of Fashion-MNIST in several forms, for same_pixels.sh.
//
//     system.pixels FOLDER TRAIN TEST
//
// FOLDER/idx has IDX files, FOLDER/folder/{train,val}/CLASS/NUMBER.png an image folder, and
// FOLDER/samples/{train,val}/NUMBER.{png,cls} what to pack into tar files.  The images of each part
// are sorted by class, so that all forms have the same order.

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "tests/sets.h"

enum { SIDE = 28, CLASSES = 10, PATH = 600 };

static void die(const char *what)
{
    fprintf(stderr, "system.pixels: %s\n", what);
    exit(1);
}

static FILE *create(const char *path)
{
    FILE *file = fopen(path, "wb");

    if (!file)
        die(path);
    return file;
}

static void end(FILE *file)
{
    if (fclose(file) != 0)
        die("a file cannot be written");
}

static void make(const char *path)
{
    if (mkdir(path, 0777) < 0 && access(path, F_OK) < 0)
        die(path);
}

static void write_png(const char *path, const uint8_t *pixels)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION, .width = SIDE, .height = SIDE, .format = PNG_FORMAT_GRAY
    };

    if (!png_image_write_to_file(&image, path, 0, pixels, 0, NULL))
        die(image.message);
}

static void idx_header(FILE *file, int axes, int64_t count)
{
    const uint8_t head[] = { 0, 0, 8, (uint8_t)axes, 0, 0, (uint8_t)(count >> 8), (uint8_t)count };
    const uint8_t sides[] = { 0, 0, 0, SIDE, 0, 0, 0, SIDE };

    fwrite(head, 1, sizeof head, file);
    if (axes == 3)
        fwrite(sides, 1, sizeof sides, file);
}

typedef struct part {
    const char *root, *name;
    FILE *images, *labels;
    int64_t count;
} part;

static void put(part *p, const uint8_t *pixels, int64_t label)
{
    char path[PATH];
    FILE *cls;

    fwrite(pixels, 1, SIDE * SIDE, p->images);
    fputc((int)label, p->labels);
    snprintf(path, sizeof path, "%s/folder/%s/%d", p->root, p->name, (int)label);
    make(path);
    snprintf(path, sizeof path, "%s/folder/%s/%d/%05d.png", p->root, p->name, (int)label,
             (int)p->count);
    write_png(path, pixels);
    snprintf(path, sizeof path, "%s/samples/%s/%05d.png", p->root, p->name, (int)p->count);
    write_png(path, pixels);
    snprintf(path, sizeof path, "%s/samples/%s/%05d.cls", p->root, p->name, (int)p->count);
    cls = create(path);
    fprintf(cls, "%d\n", (int)label);
    end(cls);
    p->count++;
}

static void open_part(part *p, const char *idx, int64_t count)
{
    char path[PATH];

    snprintf(path, sizeof path, "%s/idx/%s-images-idx3-ubyte", p->root, idx);
    p->images = create(path);
    idx_header(p->images, 3, count);
    snprintf(path, sizeof path, "%s/idx/%s-labels-idx1-ubyte", p->root, idx);
    p->labels = create(path);
    idx_header(p->labels, 1, count);
    snprintf(path, sizeof path, "%s/folder/%s", p->root, p->name);
    make(path);
    snprintf(path, sizeof path, "%s/samples/%s", p->root, p->name);
    make(path);
}

static void write_part(const char *root, const char *name, const char *idx, ak_split split,
                       int64_t count)
{
    part p = { .root = root, .name = name };
    ak_dataset *set;

    if (set_open(&set, "fashion-mnist", split, count) < 0)
        die(ak_error_text());
    open_part(&p, idx, count);
    for (int64_t label = 0; label < CLASSES; label++)
        for (int64_t i = 0; i < ak_dataset_size(set); i++)
            if (ak_dataset_label(set, i) == label)
                put(&p, set_image(set, i).pixels, label);
    end(p.images);
    end(p.labels);
    ak_dataset_close(set);
}

int main(int argc, char **argv)
{
    static const char *const folders[] = { "", "/idx", "/folder", "/samples" };
    char path[PATH];

    if (argc != 4)
        die("give FOLDER TRAIN TEST");
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s%s", argv[1], folders[i]);
        make(path);
    }
    write_part(argv[1], "train", "train", AK_SPLIT_TRAIN, atoll(argv[2]));
    write_part(argv[1], "val", "t10k", AK_SPLIT_TEST, atoll(argv[3]));
    return 0;
}
