"""Simulated queries in plain English, whose psi, eta and Delta are known exactly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from metarouter.datasets._judged_queries import check_switches
from metarouter.datasets._labelled_queries import LabelledQueries
from metarouter.datasets._truth import Truth
from metarouter.datasets._votes import cast_votes
from metarouter.utils.arguments import validated

__all__ = ["make_prompted_queries"]


class _Topic(NamedTuple):
    """What is asked, and by how much the primary is better and the judge is wrong."""

    gain: float
    favour: float  # of the judge for the primary: eta - psi
    openings: tuple[str, ...]
    subjects: tuple[str, ...]


# A judge likes the primary's long answers in small talk and translation, and overlooks the
# alternative's mistakes in medicine and law, which experts see.
_TOPICS = {
    "medicine": _Topic(
        0.40,
        -0.15,
        ("Is it safe to take", "What dose is right for", "Which side effects has"),
        ("aspirin with warfarin", "insulin before sport", "ibuprofen for a child", "statins"),
    ),
    "law": _Topic(
        0.25,
        -0.10,
        ("May my landlord ask for", "Which court decides on", "How do I appeal"),
        ("a second deposit", "an unpaid invoice", "a parking fine", "the will of a relative"),
    ),
    "code": _Topic(
        0.15,
        0.05,
        ("Write a function that computes", "Find the bug in my code for", "Refactor"),
        ("a running median", "a binary search", "a rate limiter", "a date parser"),
    ),
    "arithmetic": _Topic(
        0.00,
        0.00,
        ("What is the sum of", "Check my result for", "How large is"),
        ("17 and 26", "a third of 84", "12 percent of 350", "the square of 31"),
    ),
    "translation": _Topic(
        -0.15,
        0.15,
        ("Translate into French:", "How do you say in German:", "Put into plain English:"),
        ("good morning", "the bill, please", "where is the station", "see you on Monday"),
    ),
    "small talk": _Topic(
        -0.25,
        0.25,
        ("Tell me a joke about", "What do you think of", "Recommend something about"),
        ("cats", "Monday mornings", "old films", "gardening"),
    ),
}
# What is demanded of the answer, and what it adds to the gain.
_DEMANDS = {
    "in one sentence": -0.10,
    "please": 0.00,
    "step by step": 0.10,
    "and give your sources": 0.15,
    "and prove that you are right": 0.30,
}
_OCCASIONS = ("", "for my sister", "for work", "for a talk", "today", "for school", "for a friend")
_NOISE = 0.35
_TOKENS_PER_WORD = 1.3
_PRICES = {"primary": (3e-6, 15e-6), "alternative": (0.15e-6, 0.6e-6)}  # per token in and out
_ANSWER_TOKENS = {"primary": 420, "alternative": 280}


@validated()
def make_prompted_queries(
    n_queries: int = 1000,
    *,
    gold_share: float = 0.2,
    pairing: float = 0.0,
    random_state: int | Generator | None = None,
) -> LabelledQueries:
    """Make queries as text in six topics, with gold labels, biased votes and costs.

    Parameters
    ----------
    n_queries : int, default=1000
        Number of queries.
    gold_share : float, default=0.2
        In (0, 1]: expected share of queries with a gold label, placed at random.
    pairing : float, default=0.0
        In [0, 1]: share of the gold-labelled queries that carry a vote too.
    random_state : int, Generator or None, default=None
        Seed of the queries and labels.

    Returns
    -------
    LabelledQueries
        `X` is a frame of the one column ``prompt``; `domain` holds the topics; `gold` is a
        difference of rubric scores in steps of .05, `preference` a vote in {-1, 0, 1}; costs are in
        dollars per call. `truth` has one unit for both labels, so that ``gold_scale`` is 1.

    Raises
    ------
    DataError
        If a switch lies outside its range.

    Notes
    -----
    With a(topic) from -.25 (small talk) to .40 (medicine), b(demand) from -.10 (in one sentence)
    to .30 (prove it), and f(topic) the judge's favour for the primary, from -.15 (medicine) to .25
    (small talk)::

        psi = a + b,   eta = psi + f,   Delta = -f
        gold = psi + .35 e, rounded to .05;   E(vote | s) = eta

    Examples
    --------
    >>> queries = make_prompted_queries(4, random_state=0)
    >>> queries.text[0]
    'Tell me a joke about gardening today, please?'
    >>> queries.domain[0], round(float(queries.truth.delta[0]), 2)
    ('small talk', -0.25)
    """
    import pandas as pd

    check_switches(n_queries=n_queries, gold_share=gold_share, pairing=pairing)
    rng = np.random.default_rng(random_state)
    names = np.array(list(_TOPICS), dtype=object)
    domain = rng.choice(names, size=n_queries)
    demand = rng.choice(np.array(list(_DEMANDS), dtype=object), size=n_queries)
    text = np.array(
        [_sentence(t, d, rng) for t, d in zip(domain, demand, strict=True)], dtype=object
    )
    psi = np.array([_TOPICS[t].gain + _DEMANDS[d] for t, d in zip(domain, demand, strict=True)])
    eta = psi + np.array([_TOPICS[t].favour for t in domain])
    gold = np.round((psi + _NOISE * rng.standard_normal(n_queries)) / 0.05) * 0.05
    preference = cast_votes(eta, rng.standard_normal(n_queries))
    has_gold = rng.random(n_queries) < gold_share
    has_both = has_gold & (rng.random(n_queries) < pairing)
    share = gold_share / (1 + gold_share * pairing)
    return LabelledQueries(
        X=pd.DataFrame({"prompt": text}),
        gold=np.where(has_gold, np.round(gold, 2) + 0.0, np.nan),
        preference=np.where(~has_gold | has_both, preference, np.nan),
        text=text,
        domain=domain,
        cost_primary=_cost("primary", text, rng),
        cost_alternative=_cost("alternative", text, rng),
        truth=Truth(psi, eta, psi - eta, np.full(n_queries, share)),
        name="prompted_queries",
        feature_names=["prompt"],
    )


def _sentence(topic: str, demand: str, rng: Generator) -> str:
    parts = (_TOPICS[topic].openings, _TOPICS[topic].subjects, _OCCASIONS)
    return f"{' '.join(rng.choice(part) for part in parts).strip()}, {demand}?"


def _cost(model: str, text: NDArray[np.object_], rng: Generator) -> NDArray[np.float64]:
    """Return dollars per call: tokens in and out, times their prices."""
    words = np.array([len(prompt.split()) for prompt in text])
    answer = _ANSWER_TOKENS[model] * rng.lognormal(-0.08, 0.4, size=len(text))
    price_in, price_out = _PRICES[model]
    return np.asarray(np.round(_TOKENS_PER_WORD * words * price_in + answer * price_out, 8))
