"""What options may be set to."""

from __future__ import annotations

import os
from enum import StrEnum

from metarouter.exceptions import MetaRouterError

__all__ = [
    "STUDY_DATASETS",
    "Encoder",
    "Learner",
    "Method",
    "Propensity",
    "ReportFormat",
    "Scaling",
    "Shift",
    "ZeroMeans",
    "check_cores",
]


class Learner(StrEnum):
    """The class of regressions, H in the paper."""

    forest = "forest"
    random_forest = "random_forest"
    xgboost = "xgboost"
    ridge = "ridge"


class Propensity(StrEnum):
    """How P(gold | query) is known."""

    constant = "constant"
    estimated = "estimated"


class ReportFormat(StrEnum):
    """How a report is written."""

    html = "html"
    md = "md"
    tex = "tex"
    json = "json"


class Scaling(StrEnum):
    """How gold labels are brought to the scale of preference labels."""

    variance = "variance"
    max = "max"
    wasserstein = "wasserstein"
    none = "none"


class Method(StrEnum):
    """How nuisances are predicted out of sample."""

    auto = "auto"
    oob = "oob"
    cv = "cv"


class Encoder(StrEnum):
    """How text becomes vectors."""

    tfidf = "tfidf"
    minilm = "minilm"


class ZeroMeans(StrEnum):
    """What 0 stands for in a column of labels that holds only 0 and 1."""

    loss = "loss"
    tie = "tie"


class Shift(StrEnum):
    """How the two kinds of labels are brought together."""

    adaptive = "adaptive"
    dr = "dr"
    r = "r"
    constant = "constant"
    zero = "zero"


STUDY_DATASETS = (
    "judged_queries",
    "healthbench_like",
    "evouna",
    "xstest",
    "wmt_mt",
    "llmrouter_14task",
    "arena_frontier",
)


def check_cores(n_jobs: int) -> int:
    """Refuse numbers of workers that mean nothing, and take no more than there are cores."""
    if n_jobs == 0 or n_jobs < -1:
        raise MetaRouterError(f"--n-jobs is {n_jobs}: give -1 for all cores, or a number above 0.")
    # More would only wait for each other; the numbers do not depend on how many there are.
    return min(n_jobs, os.cpu_count() or n_jobs)
