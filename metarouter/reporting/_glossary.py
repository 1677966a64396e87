"""The words of a report, explained for a reader who has not seen the paper."""

from __future__ import annotations

from collections.abc import Iterable

from metarouter.utils.style import router_label

WORDS = {
    "gold label": "quality of the primary (strong) model's answer minus that of the alternative's, "
    "under the trustworthy evaluation",
    "preference label": "the same difference under the cheap evaluation, such as votes or a "
    "language model as judge, which may be biased",
    "shift, Delta": "what has to be added to a query's preference label, on average, to make it a "
    "gold label",
    "psi": "the gold label to be expected of a query: routers send the queries with the largest "
    "estimates, psi-hat, to the primary model",
    "usage": "share of the queries sent to the primary model",
}
_OF_STUDIES = {
    "held, reversed, not significantly different": "the 95% interval of the claimed difference "
    "lies above zero, below zero, or holds zero",
}
ROUTERS = {
    "oracle": "learned from the gold label of every training query",
    "adaptive": "gold labels regressed on a score that is learned from the preference labels; how "
    "much of it is used, and what is added, is averaged by how well it explains the gold labels",
    "gold_only": "learned from the gold labels alone",
    "preference_only": "learned from the preference labels alone",
    "pooled": "learned from both kinds of labels, taken as they are",
    "linear_scaling": "both kinds, with the preference labels moved by one constant",
    "r_learner": "both kinds, with the preference labels corrected query by query; the shift is "
    "learned from residuals of the labels and of their source",
    "dr_learner": "both kinds, with the preference labels corrected query by query; the shift is "
    "learned from doubly robust scores",
}


def glossary(routers: Iterable[str]) -> str:
    """Explain the words of a report, and the routers in it, as a markdown list.

    Parameters
    ----------
    routers : iterable of str
        Those that are not of the house are left out.

    Examples
    --------
    >>> print(glossary(["pooled"]).splitlines()[-1])
    - **pooled**: learned from both kinds of labels, taken as they are.
    """
    names = {router_label(name): ROUTERS[name] for name in routers if name in ROUTERS}
    return "\n".join(
        f"- **{word}**: {means}." for word, means in {**WORDS, **_OF_STUDIES, **names}.items()
    )
