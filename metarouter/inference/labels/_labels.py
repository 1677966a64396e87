"""A table of labels as every test takes it: counted, on one scale, with nuisances.

What the estimated scale adds to every error is kept beside the labels.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from numbers import Real
from typing import Any, Literal, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from metarouter.datasets import LabelledQueries, TrainingRows
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference._limits import MINIMUM_SAMPLE_SIZES, Verdict, scarce
from metarouter.inference._result import Finding
from metarouter.inference.intervals import (
    Clusters,
    FloatArray,
    LinearFit,
    as_clusters,
    weighted_least_squares,
)
from metarouter.nuisance import Nuisances
from metarouter.scaling import GainScaler, ScalingMethod
from metarouter.utils.columns import as_level
from metarouter.utils.parameters import check_options
from metarouter.utils.random import seed_of, seeded
from metarouter.utils.validation import (
    TrainingData,
    validate_labels,
    validate_source,
    validate_training,
    validate_weight,
)

Effect = Literal["shift", "gain"]
Scaling = ScalingMethod | float | GainScaler | None

_ESTIMATED = "estimated: equal variances"


class ScaledLabels(NamedTuple):
    """One row per label, gold labels multiplied by `factor`; arrays have the shape (n_rows,)."""

    rows: TrainingRows
    y: FloatArray  # in units of the preference labels
    share: FloatArray  # weights that sum to one
    clusters: Clusters
    factor: float
    factor_influence: FloatArray  # of each row on the factor: zero where it is held fixed
    factor_is: str  # where it comes from

    @property
    def is_gold(self) -> NDArray[np.bool_]:
        """Which evaluation produced each label."""
        return self.rows.is_gold

    @property
    def n_gold(self) -> int:
        """Number of gold labels."""
        return int(self.is_gold.sum())

    @property
    def n_preference(self) -> int:
        """Number of preference labels."""
        return int((~self.is_gold).sum())

    @property
    def gold_part(self) -> FloatArray:
        """The labels' derivative with respect to the factor: gold labels in their own units."""
        return np.where(self.is_gold, self.y / self.factor, 0.0)

    @property
    def preference_sd(self) -> float:
        """Standard deviation of the preference labels: the unit of shifts in verdicts on them."""
        return _moments(self.y[~self.is_gold], self.share[~self.is_gold])[1] ** 0.5

    def share_within(self, rows: NDArray[np.bool_]) -> FloatArray:
        """Shares of the labels in `rows`, which add up to one; zero elsewhere."""
        share = np.where(rows, self.share, 0.0)
        return share / share.sum()

    def regress(
        self,
        outcome: FloatArray,
        design: FloatArray,
        share: FloatArray,
        covariance: str,
        names: list[str],
        *,
        slope: FloatArray | None = None,
        centred: bool = False,
    ) -> LinearFit:
        """Regress an outcome of the rows on a design, as `weighted_least_squares` does."""
        return weighted_least_squares(
            design,
            outcome,
            share,
            self.is_gold,
            self.clusters,
            covariance,
            names=names,
            slope=slope,
            factor_influence=self.factor_influence,
            centred=centred,
        )

    def training_data(self) -> TrainingData:
        """Validate the features too, in the form that nuisances take."""
        rows = self.rows
        return validate_training(
            Nuisances(), rows.X, self.y, self.is_gold, rows.sample_weight, rows.groups
        )


class LabelOptions(TypedDict, total=False):
    """Keywords that all tests of a table of labels take.

    Parameters
    ----------
    nuisances : Nuisances, optional
        Fitted on these labels after scaling, or a recipe; the default forests otherwise.
    scaling : {"variance", "max", "wasserstein"}, float, GainScaler or None, default="variance"
        How gold labels are brought to the preference scale; None leaves the labels as they are.
        Only for "variance", the default of `MetaRouter`, is the factor's own error part of the
        standard errors; otherwise it is held fixed.
    level : float, default=0.95
        Of the intervals.
    random_state : int, RandomState or None
        Seed of the nuisances and of the folds.
    n_jobs : int, optional
        Processor cores for the default forests.

    Raises
    ------
    DataError
        By every test: if labels are missing or infinite, only one source is there, or the labels
        cannot be cross-fitted.
    MetaRouterError
        If a choice is unknown, or fitted nuisances belong to other data or lack one that is needed.
    TypeError
        If there is no such option.

    Examples
    --------
    >>> from metarouter.datasets import make_judged_queries
    >>> from metarouter.inference import LabelOptions, mean_shift_test
    >>> options = LabelOptions(level=0.9, scaling=None)
    >>> data = make_judged_queries(200, gold_share=0.5, pairing=1.0, random_state=0)
    >>> test = mean_shift_test(data, **options)
    >>> test.level, test.factor
    (0.9, 1.0)
    """

    nuisances: Nuisances | None
    scaling: Scaling
    level: float
    random_state: Any
    n_jobs: int | None


class Counts(NamedTuple):
    """Labels of either source, queries with both, independent clusters."""

    gold: int
    preference: int
    paired: int
    clusters: int


class LabelTable:
    """A table of labels with the options of a test; it is scaled and fitted when asked for.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    options : LabelOptions

    Raises
    ------
    MetaRouterError
        If `data` is neither, or the level is out of its range.
    TypeError
        If there is no such option.
    """

    def __init__(self, data: Any, options: LabelOptions) -> None:
        check_options(options, LabelOptions, "a test of labels")
        self.data, self.options = data, options
        self.level = as_level(options.get("level", 0.95))
        self.rows = as_rows(data)

    @cached_property
    def counts(self) -> Counts:
        """Counts of the labels that have a positive weight."""
        rows, taken = self.rows, np.ones(len(self.rows.y), dtype=bool)
        if rows.sample_weight is not None:
            taken = np.asarray(rows.sample_weight) > 0
        is_gold, query = np.asarray(rows.is_gold, dtype=bool)[taken], np.asarray(rows.query)[taken]
        clusters = as_clusters(query if rows.groups is None else np.asarray(rows.groups)[taken])
        return Counts(
            gold=int(is_gold.sum()),
            preference=int((~is_gold).sum()),
            paired=np.intersect1d(query[is_gold], query[~is_gold]).size,
            clusters=query.size if clusters is None else int(clusters.max()) + 1,
        )

    @property
    def random_state(self) -> Any:
        """The seed that was given."""
        return self.options.get("random_state")

    @property
    def is_paired(self) -> bool:
        """Whether every query carries both labels, so that nothing differs between the sources."""
        return self.counts.gold == self.counts.preference == self.counts.paired

    @cached_property
    def labels(self) -> ScaledLabels:
        """The labels, on one scale."""
        return scaled_labels(self.rows, self.options.get("scaling", "variance"))

    def per_label(self, name: str, values: NDArray[Any], most_axes: int = 1) -> NDArray[Any]:
        """Return the entries of a column (or table) that belongs to the data, one per label.

        One order of rows is meant for either kind of data: that of the queries for LabelledQueries,
        that of the labels for TrainingRows. To guess by length would be wrong without a word
        wherever every query has one label.

        Raises
        ------
        DataError
            If there is not one entry for each; `name` is named.
        """
        by_query = isinstance(self.data, LabelledQueries)
        n = self.data.n_queries if by_query else len(self.rows.y)
        if not 1 <= values.ndim <= most_axes or len(values) != n:
            raise DataError(
                f"{name} has shape {values.shape}, but there are {n} "
                f"{'queries' if by_query else 'labels'}; give one entry for each."
            )
        return values[self.rows.query] if by_query else values

    def nuisances(self, *names: str) -> Nuisances:
        """Return fitted nuisances, as `fitted_nuisances` does."""
        recipe, n_jobs = self.options.get("nuisances"), self.options.get("n_jobs")
        return fitted_nuisances(self.labels, recipe, names, self.random_state, n_jobs)


def as_rows(data: Any) -> TrainingRows:
    """Return one row per label.

    Means over queries are estimated: the precision of a preference label, which learners use, is
    no reason to count its query more.

    Raises
    ------
    MetaRouterError
        If `data` is neither LabelledQueries nor TrainingRows.
    """
    if isinstance(data, LabelledQueries):
        return replace(data, preference_weight=None).training_rows()
    if isinstance(data, TrainingRows):
        return data
    raise MetaRouterError(
        f"data is a {type(data).__name__}; give LabelledQueries or the TrainingRows made of them "
        "(metarouter.datasets)."
    )


def column_names(data: Any) -> list[str]:
    """Return the names of the columns of `X`, or x0, x1, ... where there are none."""
    columns = getattr(data.X, "columns", None)
    names = columns if columns is not None else getattr(data, "feature_names", None)
    return [f"x{k}" for k in range(np.shape(data.X)[1])] if names is None else list(map(str, names))


def column_position(item: Any, names: list[str], argument: str) -> int:
    """Return the position of a column by its name or position, or refuse it, naming `argument`."""
    if isinstance(item, str) and item in names:
        return names.index(item)
    if isinstance(item, int | np.integer) and 0 <= item < len(names):
        return int(item)
    raise MetaRouterError(
        f"{argument} names {item!r}, but X has {len(names)} columns ({', '.join(names[:5])}"
        f"{', ...' if len(names) > 5 else ''}); choose among them."
    )


def scaled_labels(data: Any, scaling: Scaling = "variance") -> ScaledLabels:
    """Bring the gold labels to the scale of the preference labels, as `LabelOptions` says.

    Raises
    ------
    DataError
        If labels are missing or infinite, or the factor is undefined.
    """
    rows = as_rows(data)
    labels = validate_labels(rows.y)
    source = validate_source(rows.is_gold, len(labels))
    weight = validate_weight(rows.sample_weight, source)
    share = weight / weight.sum()
    factor, factor_is = _factor(labels, source, rows.sample_weight, scaling)
    influence = np.zeros(len(labels))
    if factor_is == _ESTIMATED:
        # On c = sd(y) / sd(r): c / 2 times those on log Var(y) - log Var(r).
        for own, sign in ((source, -1.0), (~source, 1.0)):
            mean, variance = _moments(labels[own], share[own])
            weight = share[own] / share[own].sum()
            influence[own] = sign * factor / 2 * weight * ((labels[own] - mean) ** 2 / variance - 1)
    return ScaledLabels(
        rows=rows,
        y=np.where(source, labels * factor, labels),
        share=share,
        clusters=as_clusters(rows.query if rows.groups is None else rows.groups),
        factor=factor,
        factor_influence=influence,
        factor_is=factor_is,
    )


def fitted_nuisances(
    labels: ScaledLabels | TrainingData,
    nuisances: Nuisances | None,
    names: tuple[str, ...],
    random_state: Any = None,
    n_jobs: int | None = None,
) -> Nuisances:
    """Take fitted nuisances, or cross-fit a recipe, with the errors that `LabelOptions` names."""
    data = labels.training_data() if isinstance(labels, ScaledLabels) else labels
    if nuisances is not None and nuisances.__sklearn_is_fitted__():
        nuisances.require(data, names)
        return nuisances
    recipe = Nuisances(n_jobs=n_jobs) if nuisances is None else nuisances
    return seeded(recipe, seed_of(random_state)).fit_validated(data, names)


def _factor(
    labels: FloatArray, source: NDArray[np.bool_], weight: Any, scaling: Scaling
) -> tuple[float, str]:
    """Return the factor, and where it comes from."""
    if isinstance(scaling, Real):
        if not 0 < scaling < np.inf:
            raise MetaRouterError(f"scaling={scaling!r} is no factor; give a number above 0.")
        return float(scaling), "given, held fixed"
    given: Any = scaling
    scaler = scaling if isinstance(scaling, GainScaler) else GainScaler(given)
    own = clone(scaler)
    is_fitted = hasattr(scaler, "factor_")
    if not is_fitted or scaler.method == "variance":
        own.fit(labels, source, weight)
    factor = float((scaler if is_fitted else own).factor_)
    if scaler.method == "variance" and np.isclose(own.factor_, factor, rtol=1e-10):
        return factor, _ESTIMATED
    if is_fitted:
        return factor, "given, held fixed"
    unscaled = scaler.method is None
    return factor, "none: labels share a unit" if unscaled else f"{scaler.method}, held fixed"


def _moments(values: FloatArray, share: FloatArray) -> tuple[float, float]:
    if not share.sum() > 0:
        raise DataError("one of the sources has no label with a positive weight; add labels.")
    mean = float(np.average(values, weights=share))
    return mean, float(np.average((values - mean) ** 2, weights=share))


def check_sample_size(
    counts: Counts, gold: Literal["gold_rows", "gold_rows_held_out", "paired_queries"] = "gold_rows"
) -> Finding | None:
    """Return the first minimum that is not met, of labels of both sources or of clusters, or None.

    `gold` names the minimum of gold labels, or of queries with both.
    """
    n_gold = counts.paired if gold == "paired_queries" else counts.gold
    needs = {gold: n_gold, "preference_rows": counts.preference, "clusters": counts.clusters}
    for name, there in needs.items():
        minimum = MINIMUM_SAMPLE_SIZES[name]
        if minimum.missing(there):
            return Finding(
                Verdict.INCONCLUSIVE,
                minimum.count,
                f"{scarce(there, minimum.what)} to judge this; {minimum.count} would do. "
                f"{minimum.why}",
            )
    return None
