"""Data sets by name, for the command line and for studies."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from metarouter.datasets._arena_frontier import fetch_arena_frontier
from metarouter.datasets._cascades_9model import fetch_cascades_9model
from metarouter.datasets._evouna import fetch_evouna
from metarouter.datasets._healthbench_like import make_healthbench_like
from metarouter.datasets._judged_queries import make_judged_queries
from metarouter.datasets._labelled_queries import LabelledQueries
from metarouter.datasets._llmrouter_14task import (
    fetch_llmrouter_14task,
    fetch_llmrouter_14task_matrix,
)
from metarouter.datasets._model_matrix import ModelMatrix
from metarouter.datasets._nie_wager import make_nie_wager
from metarouter.datasets._prompted_queries import make_prompted_queries
from metarouter.datasets._routellm_evals import fetch_routellm_evals
from metarouter.datasets._routerbench_fewshot import fetch_routerbench_fewshot
from metarouter.datasets._wmt_mt import fetch_wmt_mt
from metarouter.datasets._xstest import fetch_xstest
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.names import nearest

__all__ = ["DATASETS", "load_dataset"]

DATASETS: dict[str, Callable[..., LabelledQueries | ModelMatrix]] = {
    "judged_queries": make_judged_queries,
    "healthbench_like": make_healthbench_like,
    "nie_wager": make_nie_wager,
    "prompted_queries": make_prompted_queries,
    "evouna": fetch_evouna,
    "xstest": fetch_xstest,
    "wmt_mt": fetch_wmt_mt,
    "llmrouter_14task": fetch_llmrouter_14task,
    "llmrouter_14task_matrix": fetch_llmrouter_14task_matrix,
    "routerbench_fewshot": fetch_routerbench_fewshot,
    "routellm_evals": fetch_routellm_evals,
    "arena_frontier": fetch_arena_frontier,
    "cascades_9model": fetch_cascades_9model,
}


@validated()
def load_dataset(name: str, **options: Any) -> LabelledQueries | ModelMatrix:
    """Load or make a data set by its name.

    Parameters
    ----------
    name : str
        One of ``judged_queries``, ``healthbench_like``, ``nie_wager``, ``prompted_queries``
        (simulated), ``evouna``,
        ``xstest``, ``wmt_mt``, ``llmrouter_14task``, ``arena_frontier`` (pairs of models), and
        ``llmrouter_14task_matrix``, ``routerbench_fewshot``, ``routellm_evals``,
        ``cascades_9model`` (all models).
    **options
        Passed to the function of that data set, such as `pair`, `judge`, `data_home` or
        `random_state`. For a data set of all models ``pair=(primary, alternative)`` picks two.

    Returns
    -------
    LabelledQueries or ModelMatrix
        A `ModelMatrix` for a data set of all models when no `pair` is named.

    Raises
    ------
    DataError
        If there is no such data set, it has no such option, or it cannot be loaded.

    Examples
    --------
    >>> load_dataset("judged_queries", n_queries=50, random_state=0).n_queries
    50
    """
    if name not in DATASETS:
        raise DataError(
            f"There is no data set {name!r}{nearest(name, DATASETS)}: choose one of "
            f"{', '.join(DATASETS)}."
        )
    load = DATASETS[name]
    known = list(inspect.signature(load).parameters)
    pair = None if "pair" in known else options.pop("pair", None)
    is_matrix = "Matrix" in str(inspect.signature(load).return_annotation)
    if pair is not None and not is_matrix:
        raise DataError(f"The data set {name!r} is simulated and has no models: leave out pair.")
    for option in options:
        if option not in known:
            raise DataError(
                f"The data set {name!r} has no option {option!r}{nearest(option, known)}: it "
                f"takes {', '.join(known)}."
            )
    data = load(**options)
    return data.pair(*pair) if pair is not None and isinstance(data, ModelMatrix) else data
