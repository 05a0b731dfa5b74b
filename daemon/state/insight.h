// daemon/state/insight.h -- what a tensor of the state looks like, in a few numbers.

#ifndef AK_DAEMON_STATE_INSIGHT_H
#define AK_DAEMON_STATE_INSIGHT_H

#include "daemon/state/state.h"

enum { AK_INSIGHT_ROWS = 256 };

// Over the rows that are filled.  A collapsing run shows in std and rank falling towards 0 and 1.
typedef struct ak_insight {
    char digest[33];                      // XXH3-128 of all values
    double mean_norm, min_norm, max_norm; // of a row
    double std, std_min, std_max;         // per dimension: mean, least, greatest
    // exp of the entropy of the covariance's eigenvalues, over at most AK_INSIGHT_ROWS rows that
    // lie evenly (fewer when rows are long); 0 without spread, NAN when a value is no finite
    // number.
    double effective_rank;
    double occupancy; // share of the rows that are filled
    // Steps since a row of a ring entered it; rows that were there before the first step have come
    // with it.  NAN for what is no ring, or is empty.
    double age_mean, age_max;
} ak_insight;

// ak_insight_make reads the tensor through once.  pushed: rows that a step brings to a ring; 0: it
// is none.  Any thread.
akssl_status ak_insight_make(ak_insight *insight, const ak_state_tensor *tensor,
                             int64_t pushed) AKSSL_MUST_CHECK;

#endif
