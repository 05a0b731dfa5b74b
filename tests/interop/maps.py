# tests/interop/maps.py JOB_FOLDER -- a job's map beside scikit-learn, from the embeddings that TensorBoard's projector shows:
# principal components and neighbours are the same; t-SNE's divergence is about as small as there, by scikit-learn's own measure.

import json
import sys

import numpy
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.manifold._t_sne import _joint_probabilities, _kl_divergence
from sklearn.neighbors import NearestNeighbors

folder = sys.argv[1]
with open(folder + "/pictures/map.json") as file:
    told = json.load(file)
x = numpy.loadtxt(folder + "/tensorboard/pictures/tensors.tsv")
x /= numpy.linalg.norm(x, axis=1, keepdims=True)
count, k = len(x), len(told["neighbours"][0])
assert count == told["images"]

pca = PCA(2, svd_solver="full")
places = pca.fit_transform(x)
assert numpy.allclose(pca.explained_variance_ratio_, told["variance"], atol=1e-3), (pca.explained_variance_ratio_, told["variance"])
for axis, name in enumerate(("x", "y")):
    ours = numpy.array(told[name])
    theirs = places[:, axis] * numpy.sign(places[:, axis] @ ours)
    assert numpy.abs(ours - theirs).max() < 1e-3 * numpy.abs(theirs).max(), name

far, _ = NearestNeighbors(n_neighbors=k + 1, metric="cosine").fit(x).kneighbors(x)
assert numpy.abs(1 - far[:, 1:] - numpy.array(told["cosine"])).max() < 1e-4

distances = numpy.maximum(0, 2 - 2 * x @ x.T)
numpy.fill_diagonal(distances, 0)
p = _joint_probabilities(distances.astype(numpy.float32), 30, 0)
ours = numpy.stack([told["tsne_x"], told["tsne_y"]], axis=1)
kl = [_kl_divergence(at.ravel().astype(float), p, 1, count, 2)[0]
      for at in (ours, TSNE(method="exact", init="pca", random_state=0).fit_transform(x), places)]
assert kl[0] < 1.1 * kl[1] < kl[2], kl # both end in one of many minima
print(f"interop: principal components and neighbours of {count} images are scikit-learn's; t-SNE diverges by {kl[0]:.3f}, there by {kl[1]:.3f}")
