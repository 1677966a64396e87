"""Route a table of queries with a saved router."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from metarouter.cli._tables import SUFFIXES, read_user_table, write_user_table
from metarouter.cli.console import console
from metarouter.cli.outputs import output_file
from metarouter.datasets import read_table
from metarouter.datasets._table_files import read_frame
from metarouter.exceptions import BudgetError, DataError, RouterFileError
from metarouter.routing import ThresholdRouter, load_router, tune_threshold
from metarouter.routing._pipeline import split_router, with_w

__all__ = ["run_route"]

_ADDED = ("route", "predicted_gain")
_DELIMITED = (".csv", ".tsv")


def run_route(
    router_path: Path, queries: Path, out: Path, *, w: float | None, max_share: float | None
) -> None:
    """Add the decision and the predicted gain to a table of queries."""
    if w is not None and max_share is not None:
        raise BudgetError("Both --w and --max-share are given: give one of them.")
    output_file(out, suffixes=SUFFIXES)
    if out.resolve() in (queries.resolve(), router_path.resolve()):
        raise DataError(f"--out {out} is one of the files to read: name another file.")
    router = _threshold_router(load_router(router_path), router_path)
    features = _features(router, router_path, queries)
    if w is not None:
        router = with_w(router, w)
    if max_share is not None:
        router = tune_threshold(router, features, max_share=max_share).apply(router)
    encoded, last = split_router(router, features)
    decided, gain = last.predict(encoded), last.predict_gain(encoded)

    as_written = {queries.suffix.lower(), out.suffix.lower()} <= set(_DELIMITED)
    table = read_user_table(queries, as_written=as_written)
    write_user_table(table.assign(route=decided, predicted_gain=gain), out)
    _report(last, decided, out)


def _threshold_router(router: Any, path: Path) -> Any:
    last = router.steps[-1][1] if hasattr(router, "steps") else router
    if isinstance(last, ThresholdRouter):
        return router
    if hasattr(router, "steps"):
        raise RouterFileError(
            f"{path} holds a pipeline that ends in a {type(last).__name__}: save one that ends in "
            "a ThresholdRouter."
        )
    return ThresholdRouter(router)


def _features(router: Any, router_path: Path, queries: Path) -> Any:
    """Read the columns that the router was fitted on, as it was given them."""
    names = [str(name) for name in getattr(router, "feature_names_in_", ())]
    if not names:
        raise RouterFileError(
            f"{router_path} does not say which columns it was fitted on: fit it on a table with "
            "`metarouter fit`, or on a DataFrame."
        )
    reads_text = hasattr(router, "steps") and "Encoder" in type(router.steps[0][1]).__name__
    frame = read_frame(queries, names[0] if reads_text else None)
    taken = [name for name in _ADDED if name in frame.columns]
    if taken:
        raise DataError(
            f"{queries.name} has a column {taken[0]!r} already: rename or drop it, so that nothing "
            "is overwritten."
        )
    missing = [name for name in names if name not in frame.columns]
    columns = [name for name in frame.columns if name in names]
    if len(missing) > 1:
        raise DataError(
            f"{queries.name} lacks {len(missing)} of the {len(names)} columns that {router_path} "
            f"was fitted on (first: {missing[0]!r}): add them, or fit a router on columns that it "
            "has."
        )
    if reads_text:
        # With one missing column, read_table says which names come near.
        wanted = frame if missing else frame[columns]
        return read_table(wanted, text=names[0], allow_unlabelled=True).X
    wanted = frame if missing else frame[columns]
    read = read_table(wanted, features=names, allow_unlabelled=True)
    return _as_frame(read.X, names)


def _as_frame(X: Any, names: list[str]) -> Any:
    import pandas as pd

    return pd.DataFrame(X, columns=names)


def _report(last: ThresholdRouter, decided: Any, out: Path) -> None:
    alternative, primary = last.models
    to_primary = int(np.sum(decided == primary))
    console().print(
        f"{to_primary} of {len(decided)} queries ({to_primary / len(decided):.1%}) go to "
        f"{primary}, the others to {alternative} (w = {last.w:.4g}); written to {out}.",
        markup=False,
        soft_wrap=True,
    )
