// worker/data/place.c -- where the parts of a data set are: PLACE[,test=PLACE].

#include <stdio.h>
#include <string.h>

#include "proto/base/error.h"
#include "worker/data/kind.h"

akssl_status ak_dataset_place(const char *argument, ak_split split, char place[4096], bool *named)
{
    static const char mark[] = ",test=";
    const char *test = strstr(argument, mark);
    size_t length = test ? (size_t)(test - argument) : strlen(argument);

    *named = test != NULL;
    if (split == AK_SPLIT_TEST && test) {
        argument = test + sizeof mark - 1;
        length = strlen(argument);
    }
    if (!length)
        return ak_fail(AKSSL_ERR_INVALID, "a part of the data set is named by nothing");
    if (length >= 2048)
        return ak_fail(AKSSL_ERR_INVALID, "a name of %zu bytes is too long", length);
    memcpy(place, argument, length);
    place[length] = '\0';
    return AKSSL_OK;
}
