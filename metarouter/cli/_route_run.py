"""Route a table of queries with a saved router; the table comes back with columns added."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.cli.console import console
from metarouter.cli.outputs import input_file, output_file, output_path
from metarouter.cli.route import RouteSettings
from metarouter.datasets import read_table
from metarouter.datasets._rows import DelimitedRows, Rows, open_rows, same_format, write_frame
from metarouter.datasets._table_files import SEPARATORS, SUFFIXES, read_table_file
from metarouter.exceptions import BudgetError, DataError, RouterFileError
from metarouter.routing import ThresholdRouter, load_router, tune_threshold
from metarouter.routing._pipeline import split_router, with_w
from metarouter.utils.names import nearest

__all__ = ["run_route"]

_ADDED = ("route", "predicted_gain")


def run_route(settings: RouteSettings) -> None:
    """Add the decision and the predicted gain to a table of queries."""
    if settings.w is not None and settings.max_share is not None:
        raise BudgetError("Both --w and --max-share are given: give one of them.")
    with input_file(settings.queries) as queries, output_path(settings.out, queries) as out:
        output_file(out, suffixes=SUFFIXES)
        if out.resolve() in (queries.resolve(), settings.router.resolve()):
            raise DataError(f"--out {out} is one of the files to read: name another file.")
        router = _threshold_router(load_router(settings.router), settings.router)
        rows = open_rows(queries, settings.encoding)
        names = _columns(router, settings.router, rows)
        if settings.w is not None:
            router = with_w(router, settings.w)
        if settings.max_share is not None:
            router = _tuned(router, rows, names, settings.max_share)
        decided, gain, last = _decisions(router, rows, names)
        added: dict[str, Any] = dict(zip(_ADDED, (decided, gain), strict=True))
        if same_format(queries, out):
            rows.write(out, added)
        else:
            # Between delimited formats cells stay text, so that 007 is not read as 7.
            as_text = rows.columns() if {queries.suffix, out.suffix} <= set(SEPARATORS) else ()
            frame = read_table_file(queries, as_text, settings.encoding).frame
            write_frame(frame.assign(**added), out)
        _report(last, decided, settings)


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


def _columns(router: Any, path: Path, rows: Rows) -> list[str]:
    """Return the columns that the router was fitted on, if the table has them."""
    names = [str(name) for name in getattr(router, "feature_names_in_", ())]
    if not names:
        raise RouterFileError(
            f"{path} does not say which columns it was fitted on: fit it on a table with "
            "`metarouter fit`, or on a DataFrame."
        )
    known = rows.columns()
    taken = [name for name in _ADDED if name in known]
    if taken:
        raise DataError(
            f"{rows.path.name} has a column {taken[0]!r} already: rename or drop it, so that "
            "nothing is overwritten."
        )
    missing = [name for name in names if name not in known]
    if missing:
        raise DataError(
            f"{rows.path.name} lacks {len(missing)} of the {len(names)} columns that {path} was "
            f"fitted on (first: {missing[0]!r}{nearest(missing[0], known)}): add them, or fit a "
            "router on columns that it has."
        )
    return names


def _reads_text(router: Any) -> bool:
    return hasattr(router, "steps") and "Encoder" in type(router.steps[0][1]).__name__


def _batches(router: Any, rows: Rows, names: list[str]) -> Iterator[tuple[Any, NDArray[np.intp]]]:
    """Yield features of a batch of queries, and their rows; those without text are passed over."""
    import pandas as pd

    for batch in rows.batches(names):
        start = int(batch.index[0])
        if _reads_text(router):
            texts = batch[names[0]]
            there = texts.notna() & texts.map(lambda text: str(text).strip() != "")
            if not there.any():
                continue
            batch = batch[there]
        elif isinstance(rows, DelimitedRows):
            batch = batch.apply(rows.numbers)
        text = names[0] if _reads_text(router) else None
        try:
            read = read_table(
                batch, text=text, features=None if text else names, allow_unlabelled=True
            )
        except DataError as error:
            counted = f" (rows counted from row {start} of the file)" if start else ""
            raise DataError(f"{rows.path.name}: {error}{counted}") from None
        X = read.X if text else pd.DataFrame(read.X, columns=names)
        yield X, np.asarray(batch.index, dtype=np.intp)


def _tuned(router: Any, rows: Rows, names: list[str], max_share: float) -> Any:
    import pandas as pd

    parts = [X for X, _ in _batches(router, rows, names)]
    _require_queries(parts, rows)
    return tune_threshold(router, pd.concat(parts), max_share=max_share).apply(router)


def _decisions(
    router: Any, rows: Rows, names: list[str]
) -> tuple[list[str | None], list[float | None], ThresholdRouter]:
    """Decide batch by batch; a query without text has neither a decision nor a gain."""
    decided: list[str | None] = []
    gain: list[float | None] = []
    last: Any = None
    for X, places in _batches(router, rows, names):
        encoded, last = split_router(router, X)
        _fill_up(decided, gain, int(places[-1]) + 1)
        predicted = last.predict(encoded), last.predict_gain(encoded)
        for place, model, value in zip(places.tolist(), *predicted, strict=True):
            decided[place], gain[place] = str(model), float(value)
    _require_queries(decided, rows)
    _fill_up(decided, gain, sum(len(batch) for batch in rows.batches(names[:1])))
    return decided, gain, last


def _fill_up(decided: list[str | None], gain: list[float | None], size: int) -> None:
    more = [None] * (size - len(decided))
    decided.extend(more)
    gain.extend(more)


def _require_queries(found: Any, rows: Rows) -> None:
    if not found:
        raise DataError(f"{rows.path.name} has no queries to route: add rows.")


def _report(last: ThresholdRouter, decided: list[str | None], settings: RouteSettings) -> None:
    alternative, primary = last.models
    to_primary, n_routed = decided.count(str(primary)), len(decided) - decided.count(None)
    blank = len(decided) - n_routed
    note = f"Note: {blank} rows without text are not routed. " if blank else ""
    console(stderr=str(settings.out) == "-").print(
        f"{note}{to_primary} of {n_routed} queries ({to_primary / n_routed:.1%}) go to "
        f"{primary}, the others to {alternative} (w = {last.w:.4g}); written to {settings.out}.",
        markup=False,
        soft_wrap=True,
    )
