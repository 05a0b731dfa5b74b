// worker/eval/tsne.h -- private to worker/eval: a plane that keeps near rows near, by t-SNE.

#ifndef AK_EVAL_TSNE_H
#define AK_EVAL_TSNE_H

#include <stdint.h>

#include "akssl/status.h"

// ak_tsne moves the places at (n, 2) to where t-SNE puts n rows of length 1 whose cosines are given
// (n, n): van der Maaten and Hinton, "Visualizing Data using t-SNE" (2008), with all pairs,
// perplexity 30 (of fewer than 91 rows a third of the others) and 1000 steps.  It starts from the
// places as given, shrunk (Kobak and Berens 2019), draws nothing, and leaves up to 3 rows where
// they are.  Its steps are of Belkina et al. 2019.  ERR_NO_MEMORY, at being as it was.
akssl_status ak_tsne(const float *cosine, int64_t n, double *at) AKSSL_MUST_CHECK;

#endif
