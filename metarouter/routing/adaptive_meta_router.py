"""The Meta-Router that decides by itself how much of the cheap labels to use."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from metarouter.exceptions import DataError
from metarouter.kernel_learner import kernel_space
from metarouter.routing._gold_score import GoldScoreMixin
from metarouter.routing._preference_score import PreferenceScore, reliability, unreliable_mass
from metarouter.routing._transfer import GoldRows, Kernel, TransferPosterior, fit_transfer
from metarouter.utils.groups import group_codes
from metarouter.utils.parameters import one_of
from metarouter.utils.random import seed_of
from metarouter.utils.state import unchanged_on_error
from metarouter.utils.validation import TrainingData, validate_features, validate_training

__all__ = ["AdaptiveMetaRouter", "Borrowing"]

FloatArray = NDArray[np.float64]

LEAST_NULL_MASS = 0.1
# Paired labels help where the preference labels are many beside the gold ones, and harm where not.
PREFERENCE_PER_GOLD = 10
# Isotropic kernels take a part of what strong signals and biased judges do along single directions
# for noise, so that posterior standard deviations are too small (docs/no_harm.md).
STD_FACTOR = 1.5
_IGNORED_BELOW, _POOLED_ABOVE = 0.2, 0.8
_ROUGH = 0.05  # length of the kernel that ties no two queries, in median distances
_ROWS_FOR_VARIANCE = 300


@dataclass(frozen=True)
class Borrowing:
    """How much of the preference score the quality gain uses, with its posterior.

    The four probabilities add up to one. They are those of c, the correlation between the
    preference score and psi: below -0.2 inverted, up to 0.2 ignored, up to 0.8 corrected, above
    pooled.

    Parameters
    ----------
    correlation : float
        Posterior mean of c.
    correlation_std : float
        Posterior standard deviation of c.
    inverted, ignored, corrected, pooled : float
        Posterior probabilities.
    note : str
        Why there is no posterior, where there is none.
    """

    correlation: float
    correlation_std: float
    inverted: float
    ignored: float
    corrected: float
    pooled: float
    note: str = ""

    @property
    def mode(self) -> str:
        """The most probable of the four words."""
        words = ("inverted", "ignored", "corrected", "pooled")
        return max(words, key=lambda word: float(getattr(self, word)))

    def __str__(self) -> str:
        if self.note:
            return f"preference labels {self.mode}: {self.note}"
        return (
            f"preference labels {self.mode}: correlation of the preference score with the gain "
            f"{self.correlation:.2f} (s.d. {self.correlation_std:.2f}); inverted "
            f"{self.inverted:.0%}, ignored {self.ignored:.0%}, corrected {self.corrected:.0%}, "
            f"pooled {self.pooled:.0%}"
        )


class AdaptiveMetaRouter(GoldScoreMixin, RegressorMixin, BaseEstimator):
    """Regress gold labels on a preference score, and let the labels say how much of it transfers.

    A preference score is learned from the preference labels alone. The gold labels are then
    regressed on it, with an unknown slope and an unknown smooth residual function, both averaged
    by marginal likelihood: an honest judge is pooled, a biased one corrected, a useless one
    ignored, an inverted one turned round. There is nothing to tune.

    Parameters
    ----------
    paired : {"auto", True, False}, default="auto"
        Whether the judge's label on a gold query enters the regression, beyond the score. "auto":
        where the unpaired preference labels are at least ten times as many as the gold labels.
    random_state : int, RandomState or None
        Seed of the forest and of the kernel's landmarks.
    n_jobs : int, optional
        Workers of the forest. The result does not depend on it.

    Attributes
    ----------
    slope_ : float
        Posterior mean of d psi / d preference score: gold units per preference unit.
    borrowing_ : Borrowing
        How much of the preference score is used, from "ignored" over "corrected" to "pooled".
    preference_score_ : PreferenceScore or None
        ``preference_score_.predict(X)`` is the expected preference label; None without such labels.
    posterior_ : TransferPosterior or None
        None where the gold labels are all equal.
    n_gold_, n_preference_, n_paired_ : int
        Labels of each source, and gold rows whose query carries a preference label.
    uses_pairs_ : bool
        Whether the judge's labels on gold queries entered the regression.

    Notes
    -----
    The model, its prior and its grid stand in ``metarouter/routing/_transfer.py``, with the study
    that they come from in ``docs/no_harm.md``. Two rows are the two labels of one query if they
    share `groups` and all features.

    Examples
    --------
    >>> from metarouter.datasets import make_judged_queries
    >>> queries = make_judged_queries(600, gold_share=0.2, random_state=0)
    >>> rows = queries.training_rows()
    >>> model = AdaptiveMetaRouter(random_state=0).fit(rows.X, rows.y, is_gold=rows.is_gold)
    >>> gain, std = model.predict(queries.X, return_std=True)
    >>> bool(np.corrcoef(gain, queries.truth.psi)[0, 1] > 0.5)
    True
    >>> model.borrowing_.mode
    'corrected'
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "paired": ["boolean", one_of("auto")],
        "random_state": ["random_state"],
        "n_jobs": ["n_jobs", None],
    }

    def __init__(
        self,
        paired: bool | Literal["auto"] = "auto",
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.paired = paired
        self.random_state = random_state
        self.n_jobs = n_jobs

    @unchanged_on_error
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        is_gold: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> AdaptiveMetaRouter:
        """Learn the preference score, then the regression of the gold labels on it.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Query features, one row per label.
        y : array-like of shape (n,)
            Quality gains, each in the units of its own source.
        is_gold : array-like of bool of shape (n,), optional
            Source of each label. None means that every label is gold: the model is then a kernel
            regression of the gold labels.
        sample_weight : array-like of shape (n,), optional
            Precision of each label: a gold label's variance is divided by its weight.
        groups : array-like of shape (n,), optional
            Gold labels of one group share an effect; two rows of one group with equal features
            are the two labels of one query.

        Raises
        ------
        DataError
            If the data are malformed, or no label is gold.
        MetaRouterError
            If a parameter is out of its range.

        Warns
        -----
        UserWarning
            If all gold labels are equal, which leaves nothing to learn from them but a level.
        """
        data = validate_training(self, X, y, is_gold, sample_weight, groups)
        seed = seed_of(self.random_state)
        data = _with_weight(data)
        gold, judged = data.take(data.is_gold), data.take(~data.is_gold)
        _require_gold(gold, data)
        partner = _partners(gold, judged)
        self.n_gold_, self.n_preference_ = len(gold.y), len(judged.y)
        self.n_paired_ = int((partner >= 0).sum())
        self.uses_pairs_ = self._uses_pairs()

        score, residual, null_mass = self._preference_score(gold, judged, partner, seed)
        self._fit_gold(gold, score, residual, null_mass, _kernels(data.X), seed)
        return self

    @overload
    def predict(self, X: Any, return_std: Literal[False] = False) -> FloatArray: ...

    @overload
    def predict(self, X: Any, return_std: Literal[True]) -> tuple[FloatArray, FloatArray]: ...

    def predict(
        self, X: Any, return_std: bool = False
    ) -> FloatArray | tuple[FloatArray, FloatArray]:
        """Return psi-hat, in the units of the gold labels.

        Parameters
        ----------
        X : array-like of shape (n, d)
        return_std : bool, default=False
            Return a standard deviation of psi as well: 1.5 times that of the posterior, so that
            intervals are conservative unless the judge is strongly biased. It is that of the
            expected gain, not of a label; NaN where the gold labels are all equal.

        Returns
        -------
        ndarray of shape (n,), or two of them
        """
        check_is_fitted(self)
        X = validate_features(self, X)
        score = self._score(X)
        if self.posterior_ is None:
            gain = self.level_ + self.slope_ * (score - self.score_level_)
            return (gain, np.full(len(X), np.nan)) if return_std else gain
        gain = self.posterior_.mean(X, score)
        return (gain, STD_FACTOR * self.posterior_.std(X, score)) if return_std else gain

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        # The prior is for noisy labels, not for scikit-learn's test of R2.
        tags.regressor_tags.poor_score = True
        return tags

    def _uses_pairs(self) -> bool:
        if self.n_paired_ == 0 or self.paired != "auto":
            return bool(self.n_paired_ and self.paired)
        return self.n_preference_ - self.n_paired_ >= PREFERENCE_PER_GOLD * self.n_gold_

    def _score(self, X: FloatArray) -> FloatArray:
        if self.preference_score_ is None:
            return np.zeros(len(X))
        return self.preference_score_.predict(X)

    def _preference_score(
        self, gold: TrainingData, judged: TrainingData, partner: NDArray[np.intp], seed: int
    ) -> tuple[FloatArray, FloatArray | None, float]:
        """Fit the score; return it on the gold rows, the judge's residuals there, the null mass.

        Where the judge's own labels on gold queries enter the regression, or many others are left,
        the score is learned without them. Otherwise all are used, and gold queries are predicted
        without their own label.
        """
        self.preference_score_ = None
        if len(judged.y) == 0:
            return np.zeros(len(gold.y)), None, 1.0
        paired = np.unique(partner[partner >= 0])
        alone = np.setdiff1d(np.arange(len(judged.y)), paired)
        held_out = self.uses_pairs_ or len(alone) >= PREFERENCE_PER_GOLD * len(gold.y)
        rows = judged.take(alone) if held_out and alone.size else judged
        self.preference_score_ = PreferenceScore(seed, self.n_jobs).fit(
            rows.X, rows.y, rows.sample_weight
        )
        score = self.preference_score_.predict(gold.X)
        if rows is judged and paired.size and len(judged.y) > 1:
            own = self.preference_score_.predict_training_rows(rows.X, rows.y, rows.sample_weight)
            score[partner >= 0] = own[partner[partner >= 0]]
        residual = None
        if self.uses_pairs_ and (spread := float(judged.y.std())) > 0:
            residual = np.zeros(len(gold.y))
            has = partner >= 0
            residual[has] = (judged.y[partner[has]] - score[has]) / spread
        z = reliability(self.preference_score_, rows.X, rows.y, rows.sample_weight)
        null_mass = LEAST_NULL_MASS + (1 - LEAST_NULL_MASS) * unreliable_mass(z)
        return score, residual, null_mass

    def _fit_gold(
        self,
        gold: TrainingData,
        score: FloatArray,
        residual: FloatArray | None,
        null_mass: float,
        kernels: list[Kernel],
        seed: int,
    ) -> None:
        weight = np.ones(len(gold.y)) if gold.sample_weight is None else gold.sample_weight
        self.level_ = float(np.average(gold.y, weights=weight))
        self.score_level_ = float(np.average(score, weights=weight))
        if np.ptp(gold.y) <= 1e-12 * max(1.0, abs(self.level_)):
            self._keep_score()
            return
        groups = None if gold.groups is None else group_codes(gold.groups)
        rows = GoldRows(gold.X, gold.y, score, residual, groups, weight / weight.mean())
        posterior = fit_transfer(rows, kernels, null_mass, np.random.default_rng(seed))
        self.posterior_: TransferPosterior | None = posterior
        self.slope_ = posterior.rho * posterior.scale / posterior.score_scale
        self.borrowing_ = _borrowing(posterior)
        if self.preference_score_ is None:
            self.borrowing_ = Borrowing(0, 0, 0, 1, 0, 0, "there are none")

    def _keep_score(self) -> None:
        """Gold labels that are all equal tell a level; the order is the preference score's."""
        self.posterior_ = None
        self.slope_ = 1.0
        if self.preference_score_ is None:
            self.borrowing_ = Borrowing(0, 0, 0, 1, 0, 0, "there are none")
            return
        note = f"all {self.n_gold_} gold labels are equal, so that nothing speaks against them"
        self.borrowing_ = Borrowing(np.nan, np.nan, 0, 0, 0, 1, note)
        warnings.warn(
            f"All {self.n_gold_} gold labels are {self.level_:g}: the gain is the preference score "
            "in its own units, shifted to that level; add gold labels that differ.",
            UserWarning,
            stacklevel=5,
        )


def _require_gold(gold: TrainingData, data: TrainingData) -> None:
    if len(gold.y) == 0:
        raise DataError(
            f"all {len(data.y)} labels are preference labels and none is gold, so nothing says "
            "what they are worth; add gold rows, or use MetaRouter(sources='preference')."
        )


def _with_weight(data: TrainingData) -> TrainingData:
    """Leave out rows of weight 0."""
    if data.sample_weight is None or data.sample_weight.all():
        return data
    return data.take(data.sample_weight > 0)


def _partners(gold: TrainingData, judged: TrainingData) -> NDArray[np.intp]:
    """Position of the preference row with the query of each gold row, -1 where there is none."""
    partner = np.full(len(gold.y), -1)
    if gold.groups is None or judged.groups is None:
        return partner
    position = {
        (int(group), row.tobytes()): k
        for k, (group, row) in enumerate(zip(judged.groups, judged.X, strict=True))
    }
    for k, (group, row) in enumerate(zip(gold.groups, gold.X, strict=True)):
        partner[k] = position.get((int(group), row.tobytes()), -1)
    return partner


def _kernels(X: FloatArray) -> list[Kernel]:
    """Return the bank of kernels for delta, each of variance 1 over the queries.

    Three lengths on 50 components, one on 20 that are half whitened, and one so short that it
    ties no two queries together: what is predictable by no smooth function of the features.
    """
    plain, half_whitened = kernel_space(X, 50), kernel_space(X, 20, power=0.5)
    smooth = [*(Kernel(plain, length) for length in (0.5, 1.0, 2.0)), Kernel(half_whitened, 1.0)]
    rows = X[np.linspace(0, len(X) - 1, min(len(X), _ROWS_FOR_VARIANCE)).astype(int)]
    return [*(kernel.with_unit_variance(rows) for kernel in smooth), Kernel(plain, _ROUGH)]


def _borrowing(posterior: TransferPosterior) -> Borrowing:
    c, mass = posterior.correlation()
    mean = float(c @ mass)
    return Borrowing(
        correlation=mean,
        correlation_std=float(np.sqrt(mass @ (c - mean) ** 2)),
        inverted=float(mass[c < -_IGNORED_BELOW].sum()),
        ignored=float(mass[np.abs(c) <= _IGNORED_BELOW].sum()),
        corrected=float(mass[(c > _IGNORED_BELOW) & (c <= _POOLED_ABOVE)].sum()),
        pooled=float(mass[c > _POOLED_ABOVE].sum()),
    )
