"""Write the rows of a table that should be labelled next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from metarouter.cli.console import console
from metarouter.cli.outputs import input_file, output_file, output_path
from metarouter.cli.suggest import Strategy, SuggestSettings
from metarouter.datasets import LabelledQueries
from metarouter.datasets._exports import frame_of_export
from metarouter.datasets._rows import write_frame
from metarouter.datasets._table_files import SUFFIXES, read_frame
from metarouter.encoding import TfidfEncoder
from metarouter.exceptions import DataError
from metarouter.inference import suggest_labels
from metarouter.routing import AdaptiveMetaRouter
from metarouter.utils.progress import stages

__all__ = ["run_suggest"]

_ADDED = ("inclusion_probability", "weight")


def run_suggest(settings: SuggestSettings) -> None:
    """Choose rows and write them with their probabilities and weights."""
    with input_file(settings.table) as table, output_path(settings.out, table) as out:
        output_file(out, suffixes=SUFFIXES)
        if out.resolve() == table.resolve():
            raise DataError(f"--out {out} is the table to read: name another file.")
        read = settings.read_any(table)
        queries = _encoded(read, settings)
        with stages() as begin:
            begin("choosing queries")
            suggestion = suggest_labels(
                queries,
                _model(queries, settings),
                settings.n,
                strategy=str(settings.strategy),  # type: ignore[arg-type]
                threshold=settings.threshold,
                random_state=settings.seed,
            )
        as_text = () if settings.text is None else (settings.text,)
        frame, _ = frame_of_export(read_frame(table, as_text, settings.encoding))
        assert read.row is not None
        chosen = suggestion.to_frame()
        added = {name: chosen[name].to_numpy() for name in _ADDED}
        write_frame(frame.iloc[read.row[suggestion.rows]].assign(**added), out)
    free = int((~queries.has_gold).sum())
    console().print(
        f"{len(chosen)} of {free} queries without a gold label are chosen; written to "
        f"{settings.out}.",
        markup=False,
        soft_wrap=True,
    )


def _encoded(queries: LabelledQueries, settings: SuggestSettings) -> LabelledQueries:
    if settings.text is None:
        return queries
    vectors = TfidfEncoder(random_state=settings.seed).fit_transform(queries.X)
    return replace(queries, X=np.asarray(vectors), feature_names=None)


def _model(queries: LabelledQueries, settings: SuggestSettings) -> Any:
    """Fit the router whose decisions are to be made better; chance and design need none."""
    if settings.strategy in (Strategy.random, Strategy.design):
        return None
    if queries.n_gold == 0:
        raise DataError(
            f"Column {settings.gold!r} of {queries.name} holds no gold label, so that nothing says "
            "where they are needed: begin with --strategy random."
        )
    rows = queries.training_rows()
    both = queries.n_preference > 0
    return AdaptiveMetaRouter(random_state=settings.seed).fit(
        rows.X,
        rows.y,
        is_gold=rows.is_gold if both else None,
        sample_weight=rows.sample_weight,
        groups=rows.groups,
    )
