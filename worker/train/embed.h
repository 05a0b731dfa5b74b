// worker/train/embed.h -- the job kind embed: what a backbone makes of a data set's images, for
// other programs.
//
//     export/train_features.npy  export/test_features.npy    float32 [images][width]
//     export/train_labels.npy    export/test_labels.npy      int64 [images]
//
// Features are the backbone's output as it is (no l2 normalisation), each image in its plain view,
// batch norm by its running statistics; rows stand in the data set's order.

#ifndef AK_TRAIN_EMBED_H
#define AK_TRAIN_EMBED_H

#include "worker/train/session.h"

// ak_embed_run is ak_session_run for this kind.  Results: embed.train_images, embed.test_images,
// embed.width.
akssl_status ak_embed_run(const ak_session *session, ak_outcome *outcome) AKSSL_MUST_CHECK;

#endif
