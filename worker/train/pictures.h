// worker/train/pictures.h -- what a job leaves for people to look at, in its folder:
//
//     pictures/views.png        views of some training images (sheet.h); from the start on
//     pictures/thumbnails.png   the images of map.json, `columns` in a row, `side` pixels each
//     pictures/map.json         where the backbone puts them; from the end on
//
//     {"images": N, "of": M, "side": 32, "columns": 40, "variance": [0.31, 0.12],
//      "classes": [[LABEL, NAME or null], ...], "index": [...], "label": [...], "x": [...], "y":
//      [...], "tsne_x": [...], "tsne_y": [...], "neighbours": [[...], ...], "cosine": [[...], ...]}
//
// Images are spread evenly over the training part; index is their number in it, label -1 is none, x
// and y are by principal components, tsne_x and tsne_y by t-SNE (worker/eval/map.h), neighbours are
// places in these lists.  All of it follows from the weights, on any number of ranks.  map.json
// comes last: with it, its thumbnails are there.
//
// The same for TensorBoard is in tensorboard/pictures: the sheet as an image of step 0 (events.h),
// and the map's images with their embeddings for its projector (projector.h), sprite.png being
// thumbnails.png.
//
// Pictures are no part of a result: what keeps one from being drawn is a line on stderr, which is
// the job's log, and nothing else.  But one that a full or failing disk does not take ends the run,
// as any other file of the job does (ak_outcome_wrote): resumed, the job draws it.

#ifndef AK_TRAIN_PICTURES_H
#define AK_TRAIN_PICTURES_H

#include "worker/data/dataset.h"
#include "worker/train/session.h"

enum {
    AK_PICTURES_IMAGES = 1000, // of a map
    AK_PICTURES_NEIGHBOURS = 10,
    AK_PICTURES_SIDE = 48,      // of a thumbnail at most
    AK_PICTURES_ROWS = 8,       // of views.png,
    AK_PICTURES_MOST = 2 << 20, // which has no more pixels than this: rows, then views are left out
};

// ak_pictures_views draws what the trainer trains on, images of set.  Rank 0 draws; no rank waits.
akssl_status ak_pictures_views(const ak_session *session, const ak_dataset *set,
                               const ak_trainer *trainer, ak_outcome *outcome) AKSSL_MUST_CHECK;

// ak_pictures_map draws the map of the backbone in the file at weights.  Collective.
akssl_status ak_pictures_map(const ak_session *session, const char *weights,
                             ak_outcome *outcome) AKSSL_MUST_CHECK;

#endif
