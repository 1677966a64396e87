"""How good each of many models is on average, with intervals that a biased judge does not shift.

With theta-hat cross-fitted, z = e_k - e_l the contrast of a gold comparison and r its label, the
mean scores of n queries are estimated by

    theta-bar = 1/n sum_q theta-hat(q) + (sum w z z')^+ sum w z (r - z' theta-hat),

the mean of predictions and what gold labels leave of their error (prediction-powered inference:
Angelopoulos et al. 2023; with a regression in the place of a mean). Where pairs of models are drawn
without a look at the query, the expected correction is the mean error of theta-hat, whatever the
judge and however wrong the router.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GroupKFold

from metarouter.datasets import PairedComparisons
from metarouter.datasets._labelled_queries import take_rows
from metarouter.exceptions import DataError
from metarouter.inference._result import Result
from metarouter.inference.comparisons._router_comparisons import all_pairs
from metarouter.inference.intervals import FloatArray, interval_of, sup_t_quantile
from metarouter.routing import ComparisonWarning, MultiModelMetaRouter
from metarouter.utils.arguments import validated
from metarouter.utils.groups import group_codes
from metarouter.utils.parameters import whole
from metarouter.utils.plotting import draw_dots, label_axes
from metarouter.utils.random import seed_of, seeded

if TYPE_CHECKING:
    import pandas as pd

_ALL = "all queries"
_SPARE = 10  # gold queries beyond one per score that is estimated
_FIELDS = {  # columns of the frame, and the fields that they come from
    "score": "score",
    "se": "se",
    "ci_low": "lower",
    "ci_high": "upper",
    "simultaneous_low": "simultaneous_lower",
    "simultaneous_high": "simultaneous_upper",
    "rank_low": "rank_low",
    "rank_high": "rank_high",
}


@dataclass(frozen=True)
class ModelLeaderboard(Result):
    """Mean scores of models, over all queries and per topic.

    Parameters
    ----------
    models, topics : tuple of str
        The first topic is ``"all queries"``.
    score, se : ndarray of shape (n_topics, n_models)
        In units of the gold labels, with mean 0 over the models of a topic; NaN in a topic where
        gold comparisons are too few or do not connect the models.
    lower, upper : ndarray of shape (n_topics, n_models)
        Intervals, each by itself.
    simultaneous_lower, simultaneous_upper : ndarray of shape (n_topics, n_models)
        Intervals that cover all models of a topic at once.
    rank_low, rank_high : ndarray of shape (n_topics, n_models)
        Best and worst rank that the simultaneous intervals of all differences allow.
    n_queries, n_gold : ndarray of int of shape (n_topics,)
    level : float
    """

    models: tuple[str, ...]
    topics: tuple[str, ...]
    score: FloatArray
    se: FloatArray
    lower: FloatArray
    upper: FloatArray
    simultaneous_lower: FloatArray
    simultaneous_upper: FloatArray
    rank_low: FloatArray
    rank_high: FloatArray
    n_queries: NDArray[np.intp]
    n_gold: NDArray[np.intp]
    level: float

    _TITLE = "Leaderboard of models"
    _FACTS = {
        "queries": "{self.n_queries[0]}",
        "gold comparisons": "{self.n_gold[0]}",
        "level": "{self.level:g}",
    }
    _NOTES = (
        "Scores are differences from the mean of all models. Predictions of a cross-fitted "
        "router, corrected by gold labels: gold queries must be drawn at random from all (or "
        "weighted), and pairs of models without a look at the query.",
        "{self._empty}",
    )

    @property
    def _empty(self) -> str:
        topics = zip(self.topics, self.se[:, 0], strict=True)
        empty = ", ".join(name for name, se in topics if np.isnan(se))
        return f"Gold comparisons too few, or not of all models, in: {empty}." if empty else ""

    def to_frame(self) -> pd.DataFrame:
        """Return one row per topic and model, the best first."""
        import pandas as pd

        order = np.argsort(-self.score, axis=1, kind="stable")
        topic = np.repeat(np.arange(len(self.topics)), len(self.models))
        at = (topic, order.ravel())
        names = {"topic": np.asarray(self.topics)[topic], "model": np.asarray(self.models)[at[1]]}
        return pd.DataFrame(names | {head: getattr(self, of)[at] for head, of in _FIELDS.items()})

    def plot(self, ax: Any = None, *, topic: str = _ALL) -> Any:
        """Draw the scores of one topic with their simultaneous intervals.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        topic : str, default="all queries"

        Raises
        ------
        DataError
            If there is no such topic.
        """
        if topic not in self.topics:
            raise DataError(f"There is no topic {topic!r}: choose one of {', '.join(self.topics)}.")
        row = self.topics.index(topic)
        best = np.argsort(-self.score[row], kind="stable")
        names = [self.models[k] for k in best]
        lower, upper = self.simultaneous_lower[row, best], self.simultaneous_upper[row, best]
        ax = draw_dots(names, self.score[row, best], lower, upper, ax)
        return label_axes(ax, f"mean score, {topic} (gold units, {self.level:.0%} simultaneous)")


@validated(cv=[whole(2)])
def model_leaderboard(
    comparisons: PairedComparisons,
    router: MultiModelMetaRouter | None = None,
    *,
    level: float = 0.95,
    cv: int = 5,
    random_state: int | None = None,
) -> ModelLeaderboard:
    """Estimate the mean score of every model, over all queries and per topic.

    Parameters
    ----------
    comparisons : PairedComparisons
        Its ``domain`` says the topics. Weights of gold comparisons are 1 / inclusion probability.
    router : MultiModelMetaRouter, optional
        Unfitted; fitted on all folds of queries but one, whose scores it predicts.
    level : float, default=0.95
    cv : int, default=5
        Folds.
    random_state : int, optional

    Raises
    ------
    DataError
        If there are too few gold comparisons, or they do not connect all models.

    Examples
    --------
    >>> from metarouter.datasets import make_model_comparisons
    >>> comparisons = make_model_comparisons(300, 2000, 4, random_state=0)
    >>> board = model_leaderboard(comparisons, random_state=0)
    >>> frame = board.to_frame()
    >>> frame["model"].tolist()
    ['model 2', 'model 3', 'model 4', 'model 1']
    >>> frame["rank_low"].astype(int).tolist(), frame["rank_high"].astype(int).tolist()
    ([1, 1, 1, 4], [3, 3, 3, 4])
    """
    scores, queries = _cross_fitted_scores(comparisons, router, cv, seed_of(random_state))
    topics, member = _topics(comparisons, queries)
    boards = [_board(comparisons, scores, queries[inside], level) for inside in member]
    if np.isnan(boards[0]["score"]).all():
        raise DataError(
            f"{comparisons.n_gold} gold comparisons are too few for a leaderboard of "
            f"{len(comparisons.models)} models, or do not connect them all; add gold comparisons."
        )
    gold_query = comparisons.query[comparisons.is_gold]
    return ModelLeaderboard(
        models=comparisons.models,
        topics=topics,
        **{field: np.array([board[field] for board in boards]) for field in _FIELDS.values()},
        n_queries=np.array([inside.sum() for inside in member]),
        n_gold=np.array([np.isin(gold_query, queries[inside]).sum() for inside in member]),
        level=level,
    )


def _cross_fitted_scores(
    comparisons: PairedComparisons, router: MultiModelMetaRouter | None, cv: int, seed: int
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Scores of every query by a router that saw none of its comparisons; rows of other queries."""
    rows = comparisons.training_rows()
    queries = np.unique(comparisons.query)
    if len(queries) < cv:
        raise DataError(f"There are {len(queries)} queries for cv={cv} folds; lower cv.")
    learner = seeded(MultiModelMetaRouter() if router is None else router, seed)
    both = 0 < comparisons.n_gold < comparisons.n
    weight = rows.sample_weight
    scores = np.full((comparisons.n_queries, len(comparisons.models)), np.nan)
    folds = GroupKFold(cv, shuffle=True, random_state=seed).split(queries, groups=queries)
    for train, held in folds:
        taken = np.isin(comparisons.query, queries[train])
        with warnings.catch_warnings():
            # What gold labels of a fold do not connect is connected by all of them.
            warnings.simplefilter("ignore", ComparisonWarning)
            fitted = clone(learner).fit(
                take_rows(rows.X, np.flatnonzero(taken)),
                rows.pairs[taken],
                rows.y[taken],
                is_gold=rows.is_gold[taken] if both else None,
                sample_weight=None if weight is None else weight[taken],
                groups=rows.groups[taken],
            )
        known = list(fitted.models_)
        lost = sorted(set(comparisons.models) - set(known))
        if lost:
            raise DataError(
                f"The comparisons of {lost[0]!r} lie in one of {cv} folds; add comparisons of it."
            )
        found = fitted.scores(take_rows(comparisons.X, queries[held]))
        scores[queries[held]] = found[:, [known.index(name) for name in comparisons.models]]
    return scores, queries


def _topics(
    comparisons: PairedComparisons, queries: NDArray[np.intp]
) -> tuple[tuple[str, ...], list[NDArray[np.bool_]]]:
    names, members = [_ALL], [np.ones(len(queries), dtype=bool)]
    if comparisons.domain is not None:
        domain = np.asarray(comparisons.domain)[queries]
        code = group_codes(domain)  # in the order of the names
        for number, row in enumerate(np.unique(code, return_index=True)[1]):
            names.append(str(domain[row]))
            members.append(code == number)
    return tuple(names), members


def _board(
    comparisons: PairedComparisons, scores: FloatArray, queries: NDArray[np.intp], level: float
) -> dict[str, FloatArray]:
    """Return all numbers of a topic, shape (n_models,) each; NaN where gold labels are too few."""
    models = np.asarray(comparisons.models)
    used = comparisons.is_gold & np.isin(comparisons.query, queries)
    query = comparisons.query[used]
    contrast = (comparisons.first[used, None] == models).astype(float)
    contrast -= comparisons.second[used, None] == models
    n_clusters, free = len(np.unique(query)), len(models) - 1
    if n_clusters < free + _SPARE or np.linalg.matrix_rank(contrast) < free:
        return dict.fromkeys(_FIELDS.values(), np.full(len(models), np.nan))
    weight = np.ones(len(query)) if comparisons.weight is None else comparisons.weight[used]
    residual = comparisons.y[used] - np.sum(contrast * scores[query], axis=1)
    inverse = np.linalg.pinv(contrast.T @ (weight[:, None] * contrast), hermitian=True)
    correction = inverse @ (contrast.T @ (weight * residual))
    left = weight * (residual - contrast @ correction)
    mean = scores[queries].mean(axis=0)
    influence = np.zeros_like(scores)
    influence[queries] = (scores[queries] - mean) / len(queries)
    # Residuals of a least-squares fit are too small by what it took up.
    df = float(n_clusters - free)
    np.add.at(influence, query, np.sqrt(n_clusters / df) * left[:, None] * (contrast @ inverse))
    inside = influence[queries]
    score, covariance = mean + correction, inside.T @ inside
    se = np.sqrt(np.diag(covariance))
    margin = sup_t_quantile(covariance, df, level) * se
    *_, pairs = all_pairs(len(models))
    of_pairs = sup_t_quantile(pairs.T @ covariance @ pairs, df, level)
    spread = np.add.outer(se**2, se**2) - 2 * covariance
    better = np.subtract.outer(score, score) > of_pairs * np.sqrt(np.clip(spread, 0.0, None))
    lower, upper = interval_of(score, se, df, level)
    return {
        "score": score,
        "se": se,
        "lower": lower,
        "upper": upper,
        "simultaneous_lower": score - margin,
        "simultaneous_upper": score + margin,
        "rank_low": 1.0 + better.sum(axis=0),
        "rank_high": len(models) - better.sum(axis=1).astype(np.float64),
    }
