"""How densely training data cover the place in a network's features where an input lies."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from modelmark.feeds.tensors import Normalise
from modelmark.key.secret import Secret
from modelmark.networks import layers, taps
from modelmark.training.task import Task

_SAMPLES = 4000
_COMPONENTS = 16
_CHUNK = 1000


def sparseness(
    model: nn.Module,
    task: Task,
    candidates: Callable[[slice], npt.NDArray[np.uint8]],
    count: int,
    secret: Secret,
) -> npt.NDArray[np.float64]:
    """Return for each candidate the share of training samples that lie in places no denser than its own, ``(count,)``.

    Features are the head's inputs: reduced to their principal components, whitened, and modelled by a mixture of as many
    Gaussians as there are classes (EM). 0 is farther out than every training sample.

    Args:
        model: whose features count.
        task: the training data; at most 4,000 samples are used.
        candidates: uint8 pictures of a slice of the candidates.
        count: how many there are.
        secret: decides which samples are used, and where EM starts.
    """
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    path, normalise = layers.head(model), Normalise(task.feed)

    def features(images: torch.Tensor) -> npt.NDArray[np.float64]:
        return taps.activations(model, path, normalise(images)).cpu().double().numpy()

    picked = secret.permutation("density/samples", len(task.train_inputs))[:_SAMPLES]
    found = features(task.train_inputs[torch.from_numpy(picked)])
    seed = int(secret.integers("density/seed", 2**31, 1)[0])
    reduce = PCA(min(_COMPONENTS, *found.shape), whiten=True, svd_solver="covariance_eigh").fit(found)
    mixture = GaussianMixture(task.feed.classes, covariance_type="full", reg_covar=1e-3, random_state=seed)
    known = np.sort(mixture.fit(reduce.transform(found)).score_samples(reduce.transform(found)))
    scores = [
        mixture.score_samples(reduce.transform(features(torch.from_numpy(candidates(slice(start, start + _CHUNK))))))
        for start in range(0, count, _CHUNK)
    ]
    return np.searchsorted(known, np.concatenate(scores)) / len(known)
