"""Training of the offline router: one fused layer, two heads, AdamW."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, gelu, softplus

from metarouter.exceptions import DataError
from metarouter.utils.devices import device_of

__all__ = [
    "Means",
    "Trained",
    "bradley_terry_loss",
    "classification_loss",
    "fusion_loss",
    "initial_weights",
    "train",
]

Array = NDArray[np.float64]

_TEMPERATURE = 4.0  # of cosines, where training begins


class Trained(NamedTuple):
    """Weights of the best epoch."""

    weights: dict[str, NDArray[np.float64]]
    n_epochs: int


def bradley_terry_loss(scores: Tensor, correct: Tensor) -> Tensor:
    """Return the sum over (pair, n right, n' wrong) of -log sigma(s_n - s_n') (equation 2)."""
    wins = (correct[:, :, None] == 1) & (correct[:, None, :] == 0)
    gaps = scores[:, :, None] - scores[:, None, :]
    return softplus(-gaps)[wins].sum()


def classification_loss(logits: Tensor, correct: Tensor) -> Tensor:
    """Return the sum over known (pair, n) of the binary cross-entropy (equation 3)."""
    known = ~correct.isnan()
    return binary_cross_entropy_with_logits(logits[known], correct[known], reduction="sum")


def train(X: Array, correct: Array, held_back: Any, router: Any, seed: int) -> Trained:
    """Minimise L_bt + lambda L_cls; keep the epoch with the lowest loss on held-back pairs.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    correct : ndarray of shape (n, N)
    held_back : ndarray of bool of shape (n,)
    router : OfflineRewardRouter
        Whose parameters are taken.
    seed : int
        All chance is drawn by numpy, so that it is the same on every device.
    """
    rng = np.random.default_rng([seed, 0])
    device = device_of(router.device, "OfflineRewardRouter")
    centre, spread = X[~held_back].mean(axis=0), X[~held_back].std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)

    def on_device(values: Any) -> Tensor:
        return torch.tensor(np.asarray(values), dtype=torch.float32, device=device)

    z, known = on_device((X - centre) / spread), on_device(correct)
    weights = initial_weights(X.shape[1], correct[~held_back], router, rng)
    parameters = {name: on_device(value).requires_grad_() for name, value in weights.items()}
    optimiser = torch.optim.AdamW(
        parameters.values(), lr=router.learning_rate, weight_decay=router.weight_decay
    )
    training = np.flatnonzero(~held_back)
    test = on_device(np.flatnonzero(held_back)).long()
    normaliser = Means(known[on_device(training).long()])
    best, kept, n_epochs, since = np.inf, parameters, 0, 0
    if len(test):
        best = _held_loss(parameters, z[test], known[test], router)
        kept = {name: value.detach().clone() for name, value in parameters.items()}
    for epoch in range(1, router.max_epochs + 1):
        order = rng.permutation(training)
        for start in range(0, len(order), router.batch_size):
            rows = on_device(order[start : start + router.batch_size]).long()
            loss = fusion_loss(parameters, z[rows], known[rows], router, normaliser)
            optimiser.zero_grad()
            share = len(rows) / len(order)
            (loss / share).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        if not len(test):
            n_epochs = epoch
            continue
        held = _held_loss(parameters, z[test], known[test], router)
        if not np.isfinite(held):
            break
        since += 1
        if held < best:
            best, n_epochs, since = held, epoch, 0
            kept = {name: value.detach().clone() for name, value in parameters.items()}
        if since >= router.patience:
            break
    learned = {n: v.detach().cpu().numpy().astype(np.float64) for n, v in kept.items()}
    if not all(np.isfinite(value).all() for value in learned.values()):
        raise DataError(
            "Training diverged: the weights are not finite; give a smaller learning_rate."
        )
    del learned["log_temperature"]  # it scales the losses alone
    if router.normalize:
        learned["bt"] /= np.linalg.norm(learned["bt"], axis=1, keepdims=True)
    return Trained({"centre": centre, "spread": spread, **learned}, n_epochs)


def _held_loss(parameters: dict[str, Tensor], z: Tensor, correct: Tensor, router: Any) -> float:
    with torch.no_grad():
        return float(fusion_loss(parameters, z, correct, router, Means(correct)))


class Means:
    """What sums are divided by to become the means of equations 2 and 3."""

    def __init__(self, correct: Tensor) -> None:
        right, wrong = (correct == 1).sum(dim=1), (correct == 0).sum(dim=1)
        self.disagreements = max(int((right * wrong).sum()), 1)
        self.verdicts = max(int((~correct.isnan()).sum()), 1)


def fusion_loss(
    parameters: dict[str, Tensor], z: Tensor, correct: Tensor, router: Any, means: Means
) -> Tensor:
    """Return L_bt + lambda L_cls of standardised features z, divided as `means` says."""
    hidden = gelu(z @ parameters["weight"] + parameters["bias"])
    h = torch.cat([hidden, torch.ones_like(hidden[:, :1])], dim=1)
    bt, factor = parameters["bt"], torch.ones(())
    if router.normalize:
        h = h / h.norm(dim=1, keepdim=True)
        bt = bt / bt.norm(dim=1, keepdim=True)
        factor = parameters["log_temperature"].exp()
    loss = bradley_terry_loss(factor * (h @ bt.T), correct) / means.disagreements
    if router.cls_weight:
        logits = h @ parameters["cls"].T
        loss = loss + router.cls_weight * classification_loss(logits, correct) / means.verdicts
    return loss


def initial_weights(
    n_features: int, correct: Array, router: Any, rng: np.random.Generator
) -> dict[str, Array]:
    """Return weights that know the models' strengths over all pairs, and nothing of features.

    A small first layer leaves h near its constant coordinate, so that scores begin in the order of
    the rates of being right. The epoch that is kept may be this one: where features do not help on
    held-back pairs, the router is the best single model.
    """
    width, n_models = router.n_components, correct.shape[1]
    right, wrong = (correct == 1).sum(axis=0), (correct == 0).sum(axis=0)
    strength = np.log((right + 1.0) / (wrong + 1.0))
    strength = strength - strength.mean()
    others = rng.normal(size=(n_models, width - 1))
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    last = strength
    if router.normalize:
        last = np.clip(strength / _TEMPERATURE, -0.9, 0.9)
        others *= np.sqrt(1.0 - last**2)[:, None]
    return {
        "weight": rng.normal(0.0, 0.1 / np.sqrt(n_features), (n_features, width - 1)),
        "bias": np.zeros(width - 1),
        "bt": np.column_stack([others, last]),
        "cls": np.zeros((n_models, width)),
        "log_temperature": np.log(np.array(_TEMPERATURE)),
    }
