// worker/data/select.h -- private to worker/data: which images of a set are used.

#ifndef AK_DATA_SELECT_H
#define AK_DATA_SELECT_H

#include "worker/data/kind.h"

// ak_select keeps, in the set's order, the images that the ask's list names, of those the ones of
// its classes, of those the first `limit`.
//
// A list is a text file, one image a line: its name in the set ("cat/1.jpg"), that name's last
// part, or its number where images have no names.  Classes are names or numbers, or ranges of
// numbers as 0-9; the labels become 0, 1, ... in the order that the classes have in the set.  A
// line or a class that fits nothing is ERR_NOT_FOUND.
akssl_status ak_select(ak_dataset *set, const ak_dataset_ask *ask) AKSSL_MUST_CHECK;

#endif
