"""Calibrate psi-hat against gold labels: one increasing line, so that no ranking changes.

A regularised regression tells queries apart less than it should (or, where it has followed noise,
more than it should), and a biased one is off in level. What is left of both is seen on gold labels
that the regression has not been fitted on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr
from sklearn.model_selection import GroupKFold, KFold

from metarouter.utils.validation import TrainingData

FloatArray = NDArray[np.float64]

FEWEST_GOLD = 10
FEWEST_GROUPS = 3
# Before any gold label is seen the slope is 1 +- 0.5, and the level is off by 0 +- half a standard
# deviation of the gold labels.
PRIOR_SD = 0.5
FOLDS = 5
# A penalty shrinks a regression of 4/5 of the labels more than one of all, which makes the slope
# too large. That counts where gold labels are all that is regressed, and there folds are cheap.
FOLDS_OF_GOLD_ALONE = 10
FARTHEST_HEIGHT = -20.0


@dataclass(frozen=True)
class GainCalibration:
    """An increasing line from a raw to a calibrated gain.

    Attributes
    ----------
    slope : float
        Above 0; 1 where nothing was calibrated.
    level : float
        In units of the gold labels; 0 where nothing was calibrated.
    """

    slope: float = 1.0
    level: float = 0.0

    def transform(self, gain: FloatArray) -> FloatArray:
        """Return the calibrated gain, of the shape of ``gain``.

        Examples
        --------
        >>> GainCalibration(2.0, 1.0).transform(np.array([0.0, 0.5]))
        array([1., 2.])
        """
        return self.level + self.slope * gain


def calibrate_gain(
    prediction: FloatArray,
    gold: FloatArray,
    sample_weight: FloatArray | None = None,
    groups: NDArray[Any] | None = None,
) -> GainCalibration:
    """Find the line from out-of-fold predictions to gold labels, shrunken towards the identity.

    Least squares gives a slope b and its standard error s (heteroscedastic, clustered by group).
    With the prior N(1, 0.5^2) and slopes of 0 or less excluded, its posterior is a normal
    distribution cut off at 0; its mean is always above 0, near 1 where labels are few and near b
    where they are many. The mean of the predictions is moved to that of the labels, n / (n + 4) of
    the way for n labels.

    Parameters
    ----------
    prediction : array of shape (n,)
        Gains of gold-labelled queries, predicted without their labels, in units of gold labels.
    gold : array of shape (n,)
    sample_weight : array of shape (n,), optional
    groups : array of shape (n,), optional

    Returns
    -------
    GainCalibration

    Examples
    --------
    >>> prediction = np.linspace(-1, 1, 500)
    >>> found = calibrate_gain(prediction, 0.3 + 2 * prediction + 0.1 * np.sin(99 * prediction))
    >>> round(found.slope, 1), round(found.level, 1)
    (2.0, 0.3)
    """
    weight = np.ones(len(gold)) if sample_weight is None else sample_weight
    weight = weight / weight.sum()
    n = 1 / np.sum(weight**2)  # equally weighted labels that say as much
    middle, mean = weight @ prediction, weight @ gold
    centred = prediction - middle
    spread = weight @ centred**2
    slope = 1.0
    if spread > np.finfo(float).eps * max(weight @ prediction**2, 1e-300) and n > 2:
        estimate = weight @ (centred * gold) / spread
        influence = weight * centred * (gold - mean - estimate * centred) / spread
        if groups is not None:
            influence = np.bincount(np.unique(groups, return_inverse=True)[1], influence)
        slope = _posterior_mean(estimate, np.sqrt(np.sum(influence**2) * n / (n - 2)))
    moved = (mean - middle) * n / (n + 1 / PRIOR_SD**2)
    return GainCalibration(float(slope), float(middle + moved - slope * middle))


def _posterior_mean(estimate: float, standard_error: float) -> float:
    """Mean of N(1, PRIOR_SD^2) times the likelihood, cut off at 0."""
    precision = np.array([1 / PRIOR_SD**2, 1 / max(standard_error, 1e-12) ** 2])
    centre = precision @ np.array([1.0, estimate]) / precision.sum()
    spread = 1 / np.sqrt(precision.sum())
    height = centre / spread
    if height < FARTHEST_HEIGHT:  # centre and tail cancel; what is left is the tail's own scale
        return float(-spread / height * (1 - 2 / height**2))
    tail = np.exp(-(height**2) / 2 - np.log(2 * np.pi) / 2 - log_ndtr(height))
    return float(centre + spread * tail)


def held_out_gold(
    data: TrainingData, seed: int, n_folds: int = FOLDS
) -> Iterator[NDArray[np.bool_]]:
    """Yield masks of rows, shape (n,): a fold of the gold rows, with their groups, at a time.

    Without groups only gold rows are held out: every preference label is used in every fold.
    Nothing is held out where fewer than ten gold labels, or three groups, weigh something.
    """
    gold = np.flatnonzero(weighs(data))
    if len(gold) < FEWEST_GOLD:
        return
    if data.groups is None:
        for _, test in KFold(n_folds, shuffle=True, random_state=seed).split(gold):
            held_out = np.zeros(len(data.y), dtype=bool)
            held_out[gold[test]] = True
            yield held_out
        return
    of_gold = data.groups[gold]
    n_groups = len(np.unique(of_gold))
    if n_groups < FEWEST_GROUPS:
        return
    splitter = GroupKFold(min(n_folds, n_groups), shuffle=True, random_state=seed)
    for _, test in splitter.split(gold, groups=of_gold):
        yield np.isin(data.groups, of_gold[test])


def weighs(data: TrainingData) -> NDArray[np.bool_]:
    """Say which rows are gold labels of positive weight."""
    return data.is_gold if data.sample_weight is None else data.is_gold & (data.sample_weight > 0)
