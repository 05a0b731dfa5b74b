// worker/image/shrink.h -- a picture in half, a quarter or an eighth of its size.
//
// Views of a large photograph need few of its pixels.  JPEG gives fewer in its transform
// (from_jpeg.c); what comes whole is averaged here, by the same factor, so that all formats cost
// alike from there on: the memory that keeps them, and the crops that are cut from them.

#ifndef AK_IMAGE_SHRINK_H
#define AK_IMAGE_SHRINK_H

#include "worker/image/decode.h"

// ak_shrink_factor gives the greatest of 8, 4, 2 that leaves the shorter side `least` pixels or
// more; 1: none does, or least is 0.
int ak_shrink_factor(int64_t height, int64_t width, int64_t least);

// ak_shrink makes each square of that many pixels one, their mean rounded to nearest; at the right
// and the lower edge a square is what the picture has of it.  With factor 1 *image stays as it is;
// else it is borrowed from room, where it may have been before.  ERR_NO_MEMORY.  A room each.
akssl_status ak_shrink(ak_image_room *room, int64_t least, ak_image *image) AKSSL_MUST_CHECK;

#endif
