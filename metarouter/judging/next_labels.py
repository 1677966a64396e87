"""Which judge, how many draws, or a person next: what one more label does to the router.

A router learns the gain from N judged queries and corrects it by n of them that carry a gold
label. The gold label r and the judge's label y (the mean of k draws in each of two orders) have
variances V and S + sigma^2 / (2k) and covariance C over queries; S is what is left of the variance
of y when it is asked without end. The corrected mean

    mean of b y over N + mean of (r - b y) over n,   b = C / (S + sigma^2 / (2k)),

has variance

    V * ((1 - R) / n + R / N),   R = C^2 / (V (S + sigma^2 / (2k))),

(the optimal control variate, as in Angelopoulos, Duchi & Zrnic 2023; the n are among the N). A
person lowers the first part, a query judged the second, more draws raise R. It stands for the gain
at each query: what the judge explains of the differences between gold labels is learned from N
labels, the rest from n. (For a regression this is no theorem; ``tests/statistical`` compares the
advice with what purchases do to `AdaptiveMetaRouter`.) A router that sends a query where its gain
is above w, and errs about the gain with variance v, loses f(w) v / 2 per query in expectation, f(w)
being the density of the gain at w; so what lowers v most per unit of money lowers that loss most,
whatever f is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import DataError
from metarouter.judging.judge_profile import Verdicts, VerdictSummary
from metarouter.utils.arguments import validated
from metarouter.utils.columns import as_level
from metarouter.utils.groups import group_codes
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NextLabels", "next_labels"]

_Array = NDArray[np.float64]

LEAST_PAIRED = 10
_BOOTSTRAP = 500
_DRAWS_TRIED = (1, 2, 4, 8)


class Moments(NamedTuple):
    """What the pilot says of a judge, beside n gold labels and N judged queries.

    `lasting` is S, the variance of its label without noise of drawing; `noise` is sigma^2, NaN
    where nothing was asked twice.
    """

    gold: float
    covariance: float
    lasting: float
    noise: float
    n_gold: float
    n_judged: float
    draws: float

    def explained(self, draws: float) -> float:
        """R: share of the variance of gold labels that k draws in each order explain."""
        variance = self.lasting + (self.noise / (2 * draws) if self.noise > 0 else 0.0)
        if not self.gold * variance > 0:
            return 0.0
        return float(min(self.covariance**2 / (self.gold * variance), 1.0))

    def variance(self, n_gold: float, n_judged: float, draws: float) -> float:
        """Variance of the corrected mean."""
        share = self.explained(draws)
        return self.gold * ((1 - share) / n_gold + share / n_judged)


@dataclass(frozen=True)
class NextLabels(Printed):
    """What could be bought next, the most useful per unit of money first.

    Parameters
    ----------
    options : tuple of str
    cost : ndarray of shape (m,)
        Money for the smallest step of this kind.
    saved : ndarray of shape (m,)
        Share of the error variance of the gain that it takes away, per unit of money.
    ci_low, ci_high : ndarray of shape (m,)
        Percentile bootstrap over the queries of the pilot.
    best : ndarray of shape (m,)
        Share of bootstrap draws in which this is the best.
    judge : str
        The judge with which the variance is least now.
    level : float
    left_out : tuple of str
        What could not be priced, and why.
    """

    options: tuple[str, ...]
    cost: _Array
    saved: _Array
    ci_low: _Array
    ci_high: _Array
    best: _Array
    judge: str
    level: float = 0.95
    left_out: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row per option, the best first; shares in percent."""
        import pandas as pd

        return pd.DataFrame(
            {
                "next": self.options,
                "cost": self.cost,
                "percent_saved_per_unit": 100 * self.saved,
                "ci_low": 100 * self.ci_low,
                "ci_high": 100 * self.ci_high,
                "best_in": self.best,
            }
        )

    def _title(self) -> str:
        return "What to buy next"

    def _facts(self) -> dict[str, str]:
        return {
            "judge now": self.judge,
            "intervals": f"{self.level:.0%}, bootstrap over queries",
            "best_in": "share of bootstrap draws in which the option is the best",
        }

    def _notes(self) -> tuple[str, ...]:
        return self.left_out


@validated()
def next_labels(
    judges: Mapping[str, Verdicts | VerdictSummary],
    gold: ArrayLike,
    *,
    price: Mapping[str, float],
    gold_price: float,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    random_state: int = 0,
) -> NextLabels:
    """Price a person, a query judged, more draws and other judges by what they do to the router.

    It is greedy: what the smallest step of each kind does to the error variance of the gain, per
    unit of money, from where the pilot stands. Ask again when it is bought.

    Parameters
    ----------
    judges : dict of str to Verdicts or VerdictSummary
        Of n queries each.
    gold : array-like of shape (n,)
        Gold labels, NaN where there is none.
    price : dict of str to float
        Money for one verdict of each judge.
    gold_price : float
        Money for one gold label.
    groups : array-like of shape (n,), optional
        Rows that share a value are drawn together by the bootstrap.
    level : float, default=0.95
    random_state : int, default=0

    Returns
    -------
    NextLabels

    Raises
    ------
    DataError
        If a judge has fewer than 10 queries with a gold label beside its own, an array has another
        length, or a price is missing or not above 0.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> quality = rng.normal(size=400)
    >>> orders = [quality[:, None] + rng.normal(size=(400, 2)) for _ in range(2)]
    >>> gold = np.where(np.arange(400) < 60, quality, np.nan)
    >>> found = next_labels({"small": Verdicts(*orders)}, gold, price={"small": 0.001},
    ...                     gold_price=1.0)
    >>> found.options[0]
    'small: one more draw in each order of all 400 queries (3 in all)'
    """
    level = as_level(level)
    r = np.asarray(gold, dtype=float)
    n = len(r)
    _check_prices(judges, price, gold_price)
    data = {name: _data(name, verdicts, r) for name, verdicts in judges.items()}
    cluster = np.arange(n) if groups is None else group_codes(np.asarray(groups))
    if len(cluster) != n:
        raise DataError(f"groups has {len(cluster)} values for {n} queries: give one per query.")

    ones = np.ones(n)
    found = {name: _moments(columns, r, ones) for name, columns in data.items()}
    base = min(found, key=lambda name: _now(found[name]))
    steps = _steps(found, base, price, gold_price)
    value = np.array([_saved(step, found, base) for step in steps])
    rng = np.random.default_rng(random_state)
    n_clusters = int(cluster.max()) + 1
    drawn = np.empty((_BOOTSTRAP, len(steps)))
    for b in range(_BOOTSTRAP):
        count = np.bincount(rng.integers(n_clusters, size=n_clusters), minlength=n_clusters)
        weight = count[cluster].astype(float)
        again = {name: _moments(columns, r, weight) for name, columns in data.items()}
        drawn[b] = [_saved(step, again, base) for step in steps]
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    best = np.bincount(drawn.argmax(axis=1), minlength=len(steps)) / _BOOTSTRAP
    order = np.argsort(-value, kind="stable")
    return NextLabels(
        tuple(steps[k].words for k in order),
        np.array([steps[k].cost for k in order]),
        value[order],
        low[order],
        high[order],
        best[order],
        base,
        level,
        tuple(
            f"{name}: nothing was asked twice, so that what more draws would do is not known; "
            "collect some queries with two --draws"
            for name in found
            if not found[name].noise >= 0
        ),
    )


class _Step(NamedTuple):
    """A purchase: how much of what there is after it, and its cost."""

    words: str
    cost: float
    judge: str
    more_gold: int
    more_judged: int
    draws: float  # in each order


def _steps(
    found: Mapping[str, Moments], base: str, price: Mapping[str, float], gold_price: float
) -> list[_Step]:
    now = found[base]
    n_judged, k = int(now.n_judged), now.draws
    per_query = 2 * k * price[base]
    more = 0 if now.n_gold < now.n_judged else 1  # another gold label needs another query
    where = "a query that is judged" if more == 0 else f"a new query, judged by {base} too"
    steps = [
        _Step(f"a person: {where}", gold_price + more * per_query, base, 1, more, k),
        _Step(f"{base}: one more query", per_query, base, 0, 1, k),
    ]
    for name, of in found.items():
        tried = (
            {d for d in _DRAWS_TRIED if d > of.draws or name != base} if of.noise >= 0 else set()
        )
        if name == base and of.noise >= 0:
            tried.add(int(np.floor(k)) + 1)
        if name != base:
            tried.add(max(round(of.draws), 1))
        for draws in sorted(tried):
            cost = 2 * price[name] * (draws * n_judged - of.draws * of.n_judged)
            if cost <= 0:
                continue  # it is there already
            words = f"{name}: {draws} draws in each order of all {n_judged} queries"
            if name == base and draws == int(np.floor(k)) + 1:
                words = (
                    f"{name}: one more draw in each order of all {n_judged} queries "
                    f"({draws} in all)"
                )
            steps.append(_Step(words, cost, name, 0, 0, draws))
    return steps


def _saved(step: _Step, found: Mapping[str, Moments], base: str) -> float:
    """Share of the variance that a step takes away, per unit of money."""
    now, of = found[base], found[step.judge]
    before = _now(now)
    if not before > 0:
        return 0.0
    after = of.variance(now.n_gold + step.more_gold, now.n_judged + step.more_judged, step.draws)
    return (before - after) / before / step.cost


def _now(moments: Moments) -> float:
    return moments.variance(moments.n_gold, moments.n_judged, moments.draws)


class _Columns(NamedTuple):
    label: _Array
    noise: _Array
    factor: _Array
    draws: float
    n_paired: int
    n_judged: int


def _data(name: str, verdicts: Verdicts | VerdictSummary, gold: _Array) -> _Columns:
    label = np.asarray(verdicts.mean, dtype=float)
    n = len(gold)
    if label.shape != (n,):
        raise DataError(f"{name} has {len(label)} labels for {n} gold labels: give one per query.")
    paired = int((~np.isnan(label) & ~np.isnan(gold)).sum())
    if paired < LEAST_PAIRED:
        raise DataError(
            f"{name} has {paired} queries with a gold label beside its own, too few to say what "
            f"its labels are worth: give at least {LEAST_PAIRED}."
        )
    missing = np.full(n, np.nan)
    noise = missing if verdicts.draw_variance is None else np.asarray(verdicts.draw_variance)
    given = None if verdicts.n_draws is None else np.asarray(verdicts.n_draws, dtype=float)
    there = ~np.isnan(label)
    each = np.where(there, 2.0 if given is None else np.maximum(given, 1.0), np.nan)
    return _Columns(label, noise, 1 / each, float(np.nanmean(each)) / 2, paired, int(there.sum()))


def _moments(columns: _Columns, gold: _Array, weight: _Array) -> Moments:
    paired = ~np.isnan(columns.label) & ~np.isnan(gold) & (weight > 0)
    share = weight[paired] / weight[paired].sum()
    r, y = (values[paired] - share @ values[paired] for values in (gold, columns.label))
    n = max(float(weight[paired].sum()), 2.0)
    variance, of_gold, covariance = (
        float(share @ product) * n / (n - 1) for product in (y * y, r * r, r * y)
    )
    noisy = ~np.isnan(columns.noise) & (weight > 0)
    noise = np.nan
    if noisy.any():
        noise = float(np.average(columns.noise[noisy], weights=weight[noisy]))
    of_draws = noise * float(share @ columns.factor[paired]) if noise >= 0 else 0.0
    # A label without noise explains no more than there is.
    least = covariance**2 / of_gold if of_gold > 0 else 0.0
    lasting = max(variance - of_draws, least, 0.0)
    return Moments(
        of_gold, covariance, lasting, noise, columns.n_paired, columns.n_judged, columns.draws
    )


def _check_prices(judges: Mapping[str, Any], price: Mapping[str, float], gold_price: float) -> None:
    if not judges:
        raise DataError("No judge is given: give the verdicts of at least one.")
    for name in judges:
        if name not in price:
            raise DataError(f"The price of a verdict of {name} is not given: add it to price.")
        if not (np.isfinite(price[name]) and price[name] > 0):
            raise DataError(
                f"The price of a verdict of {name} is {price[name]}: give money above 0."
            )
    if not (np.isfinite(gold_price) and gold_price > 0):
        raise DataError(f"gold_price={gold_price} pays for no label: give money above 0.")
