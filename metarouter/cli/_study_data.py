"""The queries of a study, from a name or from a user's table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from metarouter.cli._choices import STUDY_DATASETS
from metarouter.cli._learners import encoder_of
from metarouter.cli.study import StudySettings
from metarouter.datasets import DATASETS, LabelledQueries, load_dataset
from metarouter.evaluation import reduce_dimension
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.utils.names import nearest

__all__ = ["study_data"]

_SIMULATED = ("judged_queries", "healthbench_like")


def study_data(settings: StudySettings) -> LabelledQueries:
    """Load the queries, keep those with both labels, and turn text into vectors.

    Raises
    ------
    MetaRouterError
        If the options contradict each other, or the data do not allow a study.
    """
    if (settings.dataset is None) == (settings.table is None):
        both = "Both --dataset and --table are given" if settings.table else "No data are named"
        raise MetaRouterError(
            f"{both}: give --dataset with one of {', '.join(STUDY_DATASETS)}, or --table with a "
            "file."
        )
    data = _named_data(settings) if settings.table is None else _own_data(settings, settings.table)
    n_read = data.n_queries
    if settings.group_by == "none":
        data = replace(data, groups=None)
    data = _with_both_labels(data)
    if settings.table is not None:
        _enough_with_both(data, settings, n_read)
    if settings.text is not None and not settings.features:
        data = _encoded(data, settings)
    if settings.pca is not None:
        data = replace(data, X=reduce_dimension(data.X, settings.pca), feature_names=None)
    return data


def _named_data(settings: StudySettings) -> LabelledQueries:
    name = str(settings.dataset)
    _refuse(settings, "--dataset", "--table", text=None, features=[], weight=None)
    if settings.group_by not in (None, "none"):
        raise MetaRouterError(
            f"--group-by {settings.group_by} names a column of a --table, but {name} knows its "
            "groups itself: leave it out, or switch them off with --group-by none."
        )
    if name not in STUDY_DATASETS:
        why = (
            "has no preference labels to study"
            if name in DATASETS
            else f"is not known{nearest(name, STUDY_DATASETS)}"
        )
        raise DataError(f"The data set {name!r} {why}: choose one of {', '.join(STUDY_DATASETS)}.")
    asked: dict[str, Any] = {
        "pair": settings.pair,
        "judge": settings.judge,
        "data_home": settings.data_home,
        "bias": settings.bias,
        "heterogeneity": settings.heterogeneity,
    }
    options = {option: value for option, value in asked.items() if value is not None}
    if name in _SIMULATED or name == "llmrouter_14task":
        options["random_state"] = settings.seed
    if name == "judged_queries":
        options |= {"gold_share": 1.0, "pairing": 1.0}
    data = load_dataset(name, **options)
    if not isinstance(data, LabelledQueries):
        raise DataError(f"The data set {name!r} holds many models: name two with --pair.")
    return data


def _own_data(settings: StudySettings, table: Path) -> LabelledQueries:
    _refuse(
        settings,
        "--table",
        "--dataset",
        pair=None,
        judge=None,
        data_home=None,
        bias=None,
        heterogeneity=None,
    )
    data = settings.read(table)
    if data.n_paired == 0:
        raise DataError(
            f"A study needs queries with both labels, but none of the {data.n_queries} in "
            f"{table.name} carries both ({data.n_gold} gold, {data.n_preference} preference): "
            "label some queries twice, or use `metarouter fit`."
        )
    return data


def _refuse(settings: StudySettings, given: str, instead: str, **unset: Any) -> None:
    for name, default in unset.items():
        if getattr(settings, name) != default:
            option = f"--{name.replace('_', '-')}"
            raise MetaRouterError(
                f"{option} belongs to {instead}, but {given} is given: leave out one of them."
            )


def _with_both_labels(data: LabelledQueries) -> LabelledQueries:
    both = data.has_gold & data.has_preference
    if both.all():
        return data
    kept = data.subset(both)
    left_out = f"{int((~both).sum())} of {both.size} queries left out: they lack one of the labels"
    return replace(kept, notes=(*data.notes, left_out))


def _enough_with_both(data: LabelledQueries, settings: StudySettings, n_read: int) -> None:
    """Refuse a table where too few queries carry both labels, and name what takes it."""
    n_test = 1 if settings.n_test is None else settings.n_test
    if data.n_queries < n_read and data.n_queries - n_test <= max(settings.n_gold):
        raise DataError(
            f"Only {data.n_queries} of the {n_read} queries in {data.name} carry both labels, and "
            f"a study splits those into --n-gold {max(settings.n_gold)}, preference labels and a "
            "test set: lower --n-gold or label more queries twice; `metarouter report` takes this "
            "table."
        )


def _encoded(data: LabelledQueries, settings: StudySettings) -> LabelledQueries:
    encoder = encoder_of(settings.encoder, settings.seed)
    vectors = np.asarray(encoder.fit_transform(data.X))
    note = (
        f"text encoded by {type(encoder).__name__} in {vectors.shape[1]} columns, on all queries "
        "and without their labels"
    )
    return replace(data, X=vectors, feature_names=None, notes=(*data.notes, note))
