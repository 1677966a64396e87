"""Where gold and preference queries overlap, by direct estimation of their density ratio.

Meta-Router, section 5: where the two sources share no support, a shift cannot be learned and must
not be extrapolated. The region is found before any label is looked at.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.utils.validation import check_is_fitted

from metarouter.exceptions import DataError
from metarouter.fitting import fit_model, predict_probability
from metarouter.utils.parameters import CLASSIFIER, check_parameters, number, one_of, whole
from metarouter.utils.random import seed_of, seeded
from metarouter.utils.validation import (
    learn_features,
    require_both_sources,
    validate_features,
    validate_source,
)

FloatArray = NDArray[np.float64]

__all__ = ["OverlapRegion", "density_weights"]

_WIDTHS = (0.25, 0.5, 1.0, 2.0)  # of kernels, in median distances
_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
_KLIEP_STEPS = 100
_FEW_FEATURES = 10
_MOST_FOR_TREES = 50
_MANY_PENALTY = 0.01


class OverlapRegion(BaseEstimator):
    """Find the queries where neither source is rare, from the ratio of the two densities.

    Parameters
    ----------
    method : {"classifier", "ulsif", "kliep"}, default="classifier"
        - ``"classifier"``: the odds of a cross-fitted classifier of the source, over those of the
          two sample sizes;
        - ``"ulsif"``: unconstrained least-squares importance fitting with Gaussian kernels
          (Kanamori, Hido & Sugiyama 2009), once in each direction;
        - ``"kliep"``: Kullback-Leibler importance estimation (Sugiyama et al. 2008), likewise.
    bound : float, default=10.0
        A query lies in the region where the density of gold queries over that of preference
        queries is at least ``1 / bound`` and the inverse ratio is too.
    outside : {"drop", "downweight"}, default="drop"
        What becomes of preference labels outside: `MetaRouter` leaves them out, or weighs them by
        their smaller ratio times ``bound``.
    classifier : classifier, optional
        By default logistic regression on the features, with squares and products where there are
        at most 10, or (up to 50 features) a forest of trees with eight leaves, which finds where
        a support ends: what predicts the source of held-out queries better.
    n_centres : int, default=100
        Kernels of "ulsif" and "kliep", at queries of the numerator.
    cv : int, default=3
        Folds of the classifier and of the choice of kernel widths.
    random_state : int, RandomState or None

    Attributes
    ----------
    ratio_ : ndarray of shape (n,)
        Density of gold queries over that of preference queries at the training queries.
    in_region_ : ndarray of bool of shape (n,)
    weight_ : ndarray of shape (n,)
        What a preference label at each training query weighs: 1 inside.
    n_gold_outside_, n_preference_outside_ : int

    References
    ----------
    .. [1] Sugiyama, Suzuki & Kanamori (2012), Density ratio estimation in machine learning.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> is_gold = rng.random(1000) < 0.5
    >>> X = rng.uniform(0, 1, (1000, 1)) + np.where(is_gold, 0.0, 0.5)[:, None]
    >>> region = OverlapRegion("ulsif", bound=4, random_state=0).fit(X, is_gold)
    >>> region.contains([[0.2], [0.75], [1.3]]).tolist()
    [False, True, False]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "method": [one_of("classifier", "ulsif", "kliep")],
        "bound": [number(above=1)],
        "outside": [one_of("drop", "downweight")],
        "classifier": [CLASSIFIER, None],
        "n_centres": [whole()],
        "cv": [whole(2)],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        method: Literal["classifier", "ulsif", "kliep"] = "classifier",
        *,
        bound: float = 10.0,
        outside: Literal["drop", "downweight"] = "drop",
        classifier: Any = None,
        n_centres: int = 100,
        cv: int = 3,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.method = method
        self.bound = bound
        self.outside = outside
        self.classifier = classifier
        self.n_centres = n_centres
        self.cv = cv
        self.random_state = random_state

    def fit(self, X: Any, is_gold: ArrayLike) -> OverlapRegion:
        """Estimate the ratio, without labels.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Queries of both sources.
        is_gold : array-like of bool of shape (n,)

        Raises
        ------
        DataError
            If a source is missing, or no query of one lies in the region.
        MetaRouterError
            If a parameter is out of its range.
        """
        X = np.asarray(learn_features(self, X), dtype=np.float64)
        source = validate_source(is_gold, len(X))
        require_both_sources(source)
        ratios = self._estimate(X, source)
        self.ratio_ = ratios.gold_over_preference
        smallest = np.minimum(*ratios)
        self.in_region_ = smallest >= 1 / self.bound
        self.weight_ = self._weigh(smallest)
        self.n_gold_outside_ = int((source & ~self.in_region_).sum())
        self.n_preference_outside_ = int((~source & ~self.in_region_).sum())
        self.n_gold_, self.n_preference_ = int(source.sum()), int((~source).sum())
        for name, rows in (("gold", source), ("preference", ~source)):
            if not (rows & self.in_region_).any():
                raise DataError(
                    f"none of the {int(rows.sum())} {name} queries lies where both sources do; "
                    "raise bound, or collect labels of both kinds on common queries."
                )
        return self

    def _estimate(self, X: FloatArray, source: NDArray[np.bool_]) -> _Ratios:
        seed = seed_of(self.random_state)
        if self.method == "classifier":
            return self._of_classifier(X, source, seed)
        return self._of_kernels(X, source, seed)

    def predict_ratio(self, X: Any) -> FloatArray:
        """Return the density of gold queries over that of preference queries, shape (n,)."""
        return self._ratios(X).gold_over_preference

    def contains(self, X: Any) -> NDArray[np.bool_]:
        """Say which queries lie in the region, shape (n,)."""
        return np.minimum(*self._ratios(X)) >= 1 / self.bound

    def summary(self) -> str:
        """Return one sentence for a report."""
        check_is_fitted(self, "in_region_")
        inside = self.in_region_
        return (
            f"{self.n_gold_outside_} of {self.n_gold_} gold and {self.n_preference_outside_} of "
            f"{self.n_preference_} preference queries lie outside the overlap (density ratio "
            f"beyond 1/{self.bound:g} or {self.bound:g}); inside, the ratio runs from "
            f"{self.ratio_[inside].min():.3g} to {self.ratio_[inside].max():.3g}."
        )

    def _ratios(self, X: Any) -> _Ratios:
        check_is_fitted(self, "n_gold_")
        X = np.asarray(validate_features(self, X), dtype=np.float64)
        if self.method == "classifier":
            return _from_propensity(predict_probability(self._model, X), self._odds)
        return _Ratios(*(_kernel_ratio(X, *part) for part in self._kernels))

    def _weigh(self, smallest: FloatArray) -> FloatArray:
        if self.outside == "drop":
            return (smallest >= 1 / self.bound).astype(float)
        return np.clip(smallest * self.bound, 0.0, 1.0)

    def _of_classifier(self, X: FloatArray, source: NDArray[np.bool_], seed: int) -> _Ratios:
        self._odds = float(source.sum() / (~source).sum())
        learners = [seeded(learner, seed) for learner in self._classifiers(X.shape[1])]
        ratios = [self._cross_fitted(learner, X, source, seed) for learner in learners]
        losses = [self._log_loss(each.gold_over_preference, source) for each in ratios]
        best = int(np.argmin(losses))
        self._model = fit_model(learners[best], X, source)
        return ratios[best]

    def _cross_fitted(
        self, learner: Any, X: FloatArray, source: NDArray[np.bool_], seed: int
    ) -> _Ratios:
        folds = min(self.cv, int(source.sum()), int((~source).sum()))
        propensity = np.full(len(X), source.mean())
        if folds > 1:
            splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
            for train, test in splitter.split(X, source):
                model = fit_model(learner, X[train], source[train])
                propensity[test] = predict_probability(model, X[test])
        return _from_propensity(propensity, self._odds)

    def _log_loss(self, ratio: FloatArray, source: NDArray[np.bool_]) -> float:
        """Return the log loss of held-out queries; beyond the bound, ratios are all alike."""
        odds = np.clip(ratio, 1 / self.bound, self.bound) * self._odds
        return float(np.mean(np.log1p(odds) - np.where(source, np.log(odds), 0.0)))

    def _classifiers(self, n_features: int) -> list[Any]:
        if self.classifier is not None:
            return [self.classifier]
        if n_features > _FEW_FEATURES:
            smooth = make_pipeline(StandardScaler(), LogisticRegression(C=_MANY_PENALTY))
        else:
            squares = PolynomialFeatures(2, include_bias=False)
            last = LogisticRegression(C=0.1)
            smooth = make_pipeline(StandardScaler(), squares, StandardScaler(), last)
        if n_features > _MOST_FOR_TREES:
            return [smooth]
        # Where a support ends the density jumps, which a logistic regression smooths away.
        trees = RandomForestClassifier(25, max_leaf_nodes=8, min_samples_leaf=10, max_features=None)
        return [smooth, trees]

    def _of_kernels(self, X: FloatArray, source: NDArray[np.bool_], seed: int) -> _Ratios:
        fit = _ulsif if self.method == "ulsif" else _kliep
        rng = np.random.default_rng(seed)
        gold, preference = X[source], X[~source]
        self._kernels = [
            fit(gold, preference, self.n_centres, self.cv, rng),
            fit(preference, gold, self.n_centres, self.cv, rng),
        ]
        return _Ratios(*(_kernel_ratio(X, *part) for part in self._kernels))


def density_weights(
    X: Any,
    traffic: Any,
    *,
    method: Literal["classifier", "ulsif", "kliep"] = "classifier",
    bound: float = 10.0,
    random_state: int | np.random.RandomState | None = None,
) -> FloatArray:
    """Weigh labelled queries so that they stand for unlabelled traffic (covariate shift).

    Parameters
    ----------
    X : array-like of shape (n, d)
        Labelled queries.
    traffic : array-like of shape (m, d)
        Queries of the deployment, without labels.
    method : {"classifier", "ulsif", "kliep"}, default="classifier"
        How the ratio of the two densities is estimated; see `OverlapRegion`.
    bound : float, default=10.0
        Ratios are clipped at this and at its inverse: a weight that is estimated to be large is
        mostly noise.
    random_state : int, RandomState or None

    Returns
    -------
    ndarray of shape (n,)
        Density of the traffic over that of X, with mean 1: the ``sample_weight`` of a fit, the
        ``weight`` of labelled queries.

    Raises
    ------
    DataError
        If the tables are malformed, or no query of X lies where the traffic does.

    References
    ----------
    .. [1] Shimodaira (2000), Improving predictive inference under covariate shift by weighting the
       log-likelihood function.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, traffic = rng.normal(0, 1, (500, 1)), rng.normal(1, 1, (2000, 1))
    >>> weight = density_weights(X, traffic, random_state=0)
    >>> bool(abs(np.average(X[:, 0], weights=weight) - 1) < 0.2)
    True
    """
    region = OverlapRegion(method, bound=bound, random_state=random_state)
    known, labelled = learn_features(region, traffic), validate_features(region, X)
    check_parameters(region)
    both = np.vstack([known, labelled]).astype(np.float64)
    of_traffic = np.arange(len(both)) < len(known)
    ratio = region._estimate(both, of_traffic).gold_over_preference[~of_traffic]
    if not np.any(ratio >= 1 / bound):
        raise DataError(
            f"none of the {len(labelled)} queries in X lies where the {len(known)} of the traffic "
            "do; label some of the traffic, or raise bound."
        )
    weight = np.clip(ratio, 1 / bound, bound)
    return np.asarray(weight / weight.mean(), dtype=np.float64)


class _Ratios(NamedTuple):
    gold_over_preference: FloatArray
    preference_over_gold: FloatArray


def _from_propensity(propensity: FloatArray, odds: float) -> _Ratios:
    p = np.clip(propensity, 1e-9, 1 - 1e-9)
    ratio = p / (1 - p) / odds
    return _Ratios(ratio, 1 / ratio)


def _kernel_ratio(
    X: FloatArray, centres: FloatArray, width: float, coefficients: FloatArray
) -> FloatArray:
    return np.maximum(_kernel(X, centres, width) @ coefficients, 0.0)


def _kernel(X: FloatArray, centres: FloatArray, width: float) -> FloatArray:
    return np.exp(-cdist(X, centres, "sqeuclidean") / (2 * width**2))


def _centres(
    numerator: FloatArray, other: FloatArray, n_centres: int, rng: np.random.Generator
) -> tuple[FloatArray, float]:
    """Kernel centres, and the median distance from them."""
    chosen = rng.permutation(len(numerator))[:n_centres]
    centres = numerator[chosen]
    some = other[rng.permutation(len(other))[:n_centres]]
    median = float(np.median(cdist(np.vstack([centres, some]), centres)))
    return centres, median or 1.0


def _ulsif(
    numerator: FloatArray,
    denominator: FloatArray,
    n_centres: int,
    cv: int,
    rng: np.random.Generator,
) -> tuple[FloatArray, float, FloatArray]:
    """Minimise half the squared error of the ratio under the denominator, plus a ridge.

    With H = E_den[k k'] and h = E_num[k], J(a) = a' H a / 2 - h' a, and a = (H + lambda I)^-1 h;
    width and lambda have the least J on held-out queries.
    """
    centres, median = _centres(numerator, denominator, n_centres, rng)
    folds = [rng.permutation(len(part)) % cv for part in (numerator, denominator)]
    best: tuple[float, float, float] = (np.inf, median, _PENALTIES[-1])
    for relative in _WIDTHS:
        width = relative * median
        above, below = (_kernel(part, centres, width) for part in (numerator, denominator))
        losses = np.zeros(len(_PENALTIES))
        for fold in range(cv):
            inside = [known == fold for known in folds]
            if not all(part.any() and not part.all() for part in inside):
                continue
            h, square = above[~inside[0]].mean(axis=0), _second(below[~inside[1]])
            held_h, held = above[inside[0]].mean(axis=0), _second(below[inside[1]])
            for position, penalty in enumerate(_PENALTIES):
                a = np.maximum(np.linalg.solve(square + penalty * np.eye(len(h)), h), 0.0)
                losses[position] += a @ held @ a / 2 - held_h @ a
        position = int(losses.argmin())
        best = min(best, (float(losses[position]), width, _PENALTIES[position]))
    _, width, penalty = best
    above, below = (_kernel(part, centres, width) for part in (numerator, denominator))
    h = above.mean(axis=0)
    a = np.linalg.solve(_second(below) + penalty * np.eye(len(h)), h)
    return centres, width, np.maximum(a, 0.0)


def _second(kernels: FloatArray) -> FloatArray:
    return kernels.T @ kernels / len(kernels)


def _kliep(
    numerator: FloatArray,
    denominator: FloatArray,
    n_centres: int,
    cv: int,
    rng: np.random.Generator,
) -> tuple[FloatArray, float, FloatArray]:
    """Maximise E_num[log w] for w = k' a with a >= 0 and E_den[w] = 1; the width by held-out log w.

    On that simplex the multiplicative update a_j <- a_j E_num[k_j / w] / (E_den[k_j] n) is the EM
    algorithm of a mixture, which never falls.
    """
    centres, median = _centres(numerator, denominator, n_centres, rng)
    fold = rng.permutation(len(numerator)) % cv
    best = (np.inf, median)
    for relative in _WIDTHS:
        width = relative * median
        above, below = (_kernel(part, centres, width) for part in (numerator, denominator))
        loss = 0.0
        for held in range(cv):
            out = fold == held
            if out.any() and not out.all():
                a = _kliep_coefficients(above[~out], below.mean(axis=0))
                loss -= float(np.log(np.maximum(above[out] @ a, 1e-12)).mean())
        best = min(best, (loss, width))
    width = best[1]
    above, below = (_kernel(part, centres, width) for part in (numerator, denominator))
    return centres, width, _kliep_coefficients(above, below.mean(axis=0))


def _kliep_coefficients(above: FloatArray, mean_below: FloatArray) -> FloatArray:
    mean_below = np.maximum(mean_below, 1e-12)
    scaled = above / mean_below
    share = np.full(scaled.shape[1], 1 / scaled.shape[1])
    for _ in range(_KLIEP_STEPS):
        mixture = np.maximum(scaled @ share, 1e-300)
        share = share * (scaled / mixture[:, None]).mean(axis=0)
    return share / mean_below
