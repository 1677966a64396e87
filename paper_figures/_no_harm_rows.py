"""The tables of the envelope study: real and simulated judges on published and simulated data."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from metarouter.datasets import (
    LabelledQueries,
    fetch_arena_frontier,
    fetch_cascades_9model,
    fetch_evouna,
    fetch_llmrouter_14task_matrix,
    fetch_routellm_evals,
    fetch_routerbench_fewshot,
    fetch_wmt_mt,
    fetch_xstest,
    make_healthbench_like,
    make_judged_queries,
)
from metarouter.evaluation import reduce_dimension
from metarouter.utils.groups import group_codes

__all__ = ["HELD_OUT_ROWS", "ROWS", "Row", "Split", "draw", "load_row"]

N_COMPONENTS = 50
MOST_TEST_ROWS = 1000
DataHome = str | os.PathLike[str] | None


@dataclass(frozen=True)
class Row:
    """One table of the study.

    Parameters
    ----------
    name : str
    load : callable
        Takes the folder of published data; returns queries with both labels.
    n_gold : tuple of int
    n_preference : int
        Preference labels at most.
    """

    name: str
    load: Callable[[DataHome], LabelledQueries]
    n_gold: tuple[int, ...] = (50, 100, 300)
    n_preference: int = 1000

    @property
    def data_set(self) -> str:
        """The published set that the row was made of."""
        return self.name.split(":")[0]

    @property
    def slug(self) -> str:
        """The row's name as part of a file name."""
        return "".join(letter if letter.isalnum() else "_" for letter in self.name)


@dataclass(frozen=True)
class Split:
    """Training and test queries of one repetition.

    The preference labels are the same for every number of gold labels, and gold sets are nested:
    what routers have in common is fitted once.
    """

    gold_X: NDArray[np.float64]
    gold: NDArray[np.float64]
    gold_groups: NDArray[Any] | None
    preference_X: NDArray[np.float64]
    preference: NDArray[np.float64]
    preference_groups: NDArray[Any] | None
    test_X: NDArray[np.float64]
    test_gold: NDArray[np.float64]

    def training(
        self, n_gold: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], NDArray[Any] | None]:
        """Return X, y, is_gold and groups with the first `n_gold` gold labels."""
        X = np.vstack([self.gold_X[:n_gold], self.preference_X])
        y = np.concatenate([self.gold[:n_gold], self.preference])
        groups = None
        if self.gold_groups is not None and self.preference_groups is not None:
            groups = np.concatenate([self.gold_groups[:n_gold], self.preference_groups])
        return X, y, np.arange(len(y)) < n_gold, groups


# kind: (sensitivity to the gold gain, multiplier of the bias)
SIMULATED_JUDGES = {
    "bias 0": (0.5, 0.0),
    "bias 0.5": (0.5, 0.5),
    "bias 1": (0.5, 1.0),
    "uninformative": (0.0, 1.0),
    "inverted": (-0.5, 1.0),
}


def simulated_votes(data: LabelledQueries, kind: str) -> NDArray[np.float64]:
    """Votes in {-1, 0, 1} with mean ``a r + b (0.2 + 0.2 length + 0.1 topic)``.

    Length and topic, in [-1, 1], are the ranks of the query's length in characters and of its
    first principal component.
    """
    sensitivity, bias = SIMULATED_JUDGES[kind]
    length = np.array([len(text) for text in data.text], dtype=np.float64)
    topic = reduce_dimension(data.X, 1)[:, 0]
    taste = 0.2 + 0.2 * _rank(length) + 0.1 * _rank(topic.round(8))
    mean = sensitivity * data.gold + bias * taste
    # A tie has probability (1 - mean^2) / 4; the other two make up the mean.
    tie = 0.25 * (1 - mean**2)
    uniform = np.random.default_rng(0).uniform(size=mean.size)
    upper = 0.5 * (1 - tie + mean)
    return np.where(uniform < upper, 1.0, np.where(uniform < upper + tie, 0.0, -1.0))


def _rank(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((2 * rankdata(values) - values.size - 1) / values.size)


def _simulated(
    load: Callable[[DataHome], LabelledQueries], kind: str
) -> Callable[[DataHome], LabelledQueries]:
    def with_votes(data_home: DataHome) -> LabelledQueries:
        data = load(data_home)
        return replace(data, preference=simulated_votes(data, kind))

    return with_votes


def _llmrouter(data_home: DataHome) -> LabelledQueries:
    matrix = fetch_llmrouter_14task_matrix(data_home)
    return matrix.pair("llama-3.1-nemotron-51b-instruct", "llama-3.1-8b-instruct")


def _routellm(data_home: DataHome) -> LabelledQueries:
    pair = ("gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1")
    return _one_of_each_wording(fetch_routellm_evals(data_home).pair(*pair))


def _cascades(data_home: DataHome) -> LabelledQueries:
    return _one_of_each_wording(
        fetch_cascades_9model(data_home=data_home).pair("gpt-4o", "llama3.1-8b")
    )


def _one_of_each_wording(data: LabelledQueries) -> LabelledQueries:
    first = np.unique(np.asarray(data.text, dtype=str), return_index=True)[1]
    return replace(data.subset(np.sort(first)), groups=None)


def _arena(judge: str) -> Callable[[DataHome], LabelledQueries]:
    """Battles against either alternative that has text: one pair alone is too small."""

    def load(data_home: DataHome) -> LabelledQueries:
        first, second = (
            fetch_arena_frontier(("claude-opus-4-20250514", other), judge, data_home)
            for other in ("gemini-2.5-pro", "qwen3-235b-a22b-no-thinking")
        )
        return replace(
            first,
            X=np.vstack([first.X, second.X]),
            gold=np.concatenate([first.gold, second.gold]),
            preference=np.concatenate([first.preference, second.preference]),
            text=np.concatenate([first.text, second.text]),
            domain=np.concatenate([first.domain, second.domain]),
        )

    return load


def _pairs(
    name: str,
    fetch: Callable[..., LabelledQueries],
    pairs: tuple[tuple[str, str], ...],
    judges: tuple[str, ...],
    n_gold: tuple[int, ...],
    n_preference: int,
) -> list[Row]:
    def load(pair: tuple[str, str], judge: str) -> Callable[[DataHome], LabelledQueries]:
        return lambda data_home: fetch(pair, judge, data_home)

    return [
        Row(f"{name}: {pair[0]} {judge}", load(pair, f"judge_{judge}"), n_gold, n_preference)
        for pair in pairs
        for judge in judges
    ]


ROWS: tuple[Row, ...] = (
    *_pairs(
        "xstest",
        fetch_xstest,
        (("llama2orig", "mistralinstruct"), ("gpt4", "mistralguard")),
        ("gpt4", "strmatch"),
        (50, 100),
        225,
    ),
    *_pairs(
        "evouna",
        fetch_evouna,
        (("ChatGPT-4", "DPR+FiD"),),
        ("lexical", "f1", "peer", "len"),
        (50, 100, 300),
        1000,
    ),
    *_pairs(
        "wmt_mt",
        fetch_wmt_mt,
        (("Claude-3.5", "Llama3-70B"), ("GPT-4", "Aya23")),
        ("chrf", "len"),
        (50, 100, 300),
        1000,
    ),
    *(
        Row(f"arena_frontier: {judge}", _arena(f"judge_{judge}"), (50, 100), 300)
        for judge in ("gpt_5_2", "gpt_4o_mini")
    ),
    *(
        Row(f"{name}: {kind}", _simulated(load, kind))
        for name, load in (
            ("llmrouter_14task", _llmrouter),
            ("routellm_evals", _routellm),
            ("cascades_9model", _cascades),
        )
        for kind in SIMULATED_JUDGES
    ),
    Row("healthbench_like", lambda _: make_healthbench_like(5000, 256, random_state=0)),
)


def _routerbench(data_home: DataHome) -> LabelledQueries:
    pair = ("gpt-4-1106-preview", "mixtral-8x7b-chat")
    return fetch_routerbench_fewshot(data_home).pair(*pair)


def _generator(bias: float, heterogeneity: float) -> Callable[[DataHome], LabelledQueries]:
    def load(_: DataHome) -> LabelledQueries:
        return make_judged_queries(
            3500,
            20,
            gold_share=1.0,
            pairing=1.0,
            preference_levels=3,
            bias=bias,
            heterogeneity=heterogeneity,
            random_state=5,
        )

    return load


# Tables and pairs on which no setting of any router was chosen.
HELD_OUT_ROWS: tuple[Row, ...] = (
    *(
        Row(f"routerbench_fewshot: {kind}", _simulated(_routerbench, kind))
        for kind in SIMULATED_JUDGES
    ),
    *_pairs(
        "wmt_mt",
        fetch_wmt_mt,
        (("Gemini-1.5-Pro", "Aya23"),),
        ("chrf", "len"),
        (50, 100, 300),
        1000,
    ),
    *_pairs(
        "evouna",
        fetch_evouna,
        (("BingChat", "ChatGPT-3.5"),),
        ("lexical", "f1"),
        (50, 100, 300),
        1000,
    ),
    *(
        Row(f"generator: bias {bias:g} heterogeneity {spread:g}", _generator(bias, spread))
        for bias, spread in ((0.0, 0.0), (0.5, 1.0), (1.0, 1.0))
    ),
)


def load_row(name: str, data_home: DataHome = None) -> LabelledQueries:
    """Load the queries of a row, with at most 50 principal components as their features."""
    row = next(row for row in ROWS + HELD_OUT_ROWS if row.name == name)
    data = row.load(data_home)
    X = np.asarray(data.X)
    if X.shape[1] > N_COMPONENTS:
        X = reduce_dimension(X, N_COMPONENTS)
    return replace(data, X=X, feature_names=None)


def draw(row: Row, data: LabelledQueries, number: int) -> Split:
    """Draw test queries (whole groups where there are groups), gold and preference labels."""
    rng = np.random.default_rng([number, 20251])
    n_train = max(row.n_gold) + row.n_preference
    n_test = min(MOST_TEST_ROWS, max(100, data.n_queries - n_train))
    test, train = _test_and_train(rng, data, n_test)
    gold, preference = train[: max(row.n_gold)], train[max(row.n_gold) : n_train]
    X, groups = np.asarray(data.X), data.groups
    return Split(
        X[gold],
        data.gold[gold],
        None if groups is None else groups[gold],
        X[preference],
        data.preference[preference],
        None if groups is None else groups[preference],
        X[test],
        data.gold[test],
    )


def _test_and_train(
    rng: np.random.Generator, data: LabelledQueries, n_test: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw test queries, whole groups until there are enough; the others come in random order."""
    if data.groups is None:
        order = rng.permutation(data.n_queries)
        test, train = order[:n_test], order[n_test:]
    else:
        number = group_codes(data.groups)
        drawn = rng.permutation(number.max() + 1)
        n_drawn = 1 + int(np.searchsorted(np.cumsum(np.bincount(number)[drawn]), n_test))
        in_test = np.isin(number, drawn[:n_drawn])
        test, train = np.flatnonzero(in_test), rng.permutation(np.flatnonzero(~in_test))
    return rng.permutation(test)[:MOST_TEST_ROWS], train
