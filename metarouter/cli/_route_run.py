"""Route a table of queries with a saved router; the table comes back with columns added."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metarouter.cli._budgets import check_constraints, constraints_of
from metarouter.cli._costs import inputs_of_costs, needed_inputs
from metarouter.cli._out_of_fold import AsPredicted
from metarouter.cli.console import console
from metarouter.cli.outputs import input_file, output_file, output_path
from metarouter.cli.route import RouteSettings
from metarouter.datasets import read_table
from metarouter.datasets._rows import (
    DelimitedRows,
    Rows,
    open_rows,
    same_format,
    with_columns,
    write_frame,
)
from metarouter.datasets._table_checks import as_numbers
from metarouter.datasets._table_files import SEPARATORS, SUFFIXES, read_table_file
from metarouter.exceptions import BudgetError, DataError, RouterFileError
from metarouter.inference import certify_predictions
from metarouter.reporting._routing_report import threshold_text
from metarouter.routing import (
    GivenCost,
    ThresholdRouter,
    UnitCost,
    final_estimator,
    load_router,
    tune_threshold,
)
from metarouter.routing._pipeline import split_router, with_cost, with_w
from metarouter.routing.threshold_router import decision
from metarouter.utils.names import nearest, require_column
from metarouter.utils.progress import progress_bar

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["run_route"]

_ADDED = ("route", "predicted_gain")
_BLOCK = 10_000


def run_route(settings: RouteSettings) -> None:
    """Add the decision and the predicted gain to a table of queries."""
    delta = check_constraints(settings)
    asked_cost = settings.cost_model()
    with input_file(settings.queries) as queries, output_path(settings.out, queries) as out:
        output_file(out, suffixes=SUFFIXES)
        if out.resolve() in (queries.resolve(), settings.router.resolve()):
            raise DataError(f"--out {out} is one of the files to read: name another file.")
        router = _threshold_router(load_router(settings.router), settings.router)
        router = _weighing(router, asked_cost, settings)
        rows = open_rows(queries, settings.encoding)
        names = _columns(router, settings.router, rows)
        with progress_bar(None, "rows routed") as advance:
            predicted = _predictions(router, rows, names, settings, advance)
        w, said = _trade_off(router, predicted, settings, delta)
        routed = _routed(router, predicted, w)
        if same_format(queries, out):
            rows.write(out, routed.columns())
        else:
            # Between delimited formats cells stay text, so that 007 is not read as 7.
            as_text = rows.columns() if {queries.suffix, out.suffix} <= set(SEPARATORS) else ()
            frame = read_table_file(queries, as_text, settings.encoding).frame
            write_frame(with_columns(frame, routed.columns()), out)
        _report(routed, settings, said)


@dataclass(frozen=True)
class _Predicted:
    """What is known of all queries of a table; rows without text are left out.

    Parameters
    ----------
    there : ndarray of bool of shape (n_rows,)
        Which rows are queries.
    gain : ndarray of shape (n_queries,)
        psi-hat, in gold units.
    costs : ndarray of shape (n_queries, 2)
        Columns [alternative, primary], in the unit of the router's cost model.
    gold : ndarray of shape (n_queries,) or None
    """

    there: NDArray[np.bool_]
    gain: NDArray[np.float64]
    costs: NDArray[np.float64]
    gold: NDArray[np.float64] | None


@dataclass(frozen=True)
class _Routed:
    """Decisions about all rows of a table.

    Parameters
    ----------
    predicted : _Predicted
    to_primary : ndarray of bool of shape (n_queries,)
    models : pair of str
        The alternative and the primary model.
    w : float
    """

    predicted: _Predicted
    to_primary: NDArray[np.bool_]
    models: tuple[str, str]
    w: float

    def columns(self) -> dict[str, Iterator[Any]]:
        """Return the columns to add, value by value; None where a row is no query."""
        names = map(self.models.__getitem__, _values(self.to_primary))
        columns: tuple[Iterator[Any], ...] = (names, _values(self.predicted.gain))
        there = self.predicted.there
        if not there.all():
            columns = tuple(_spread(column, there) for column in columns)
        return dict(zip(_ADDED, columns, strict=True))


def _spread(values: Iterator[Any], there: NDArray[np.bool_]) -> Iterator[Any]:
    for is_there in _values(there):
        yield next(values) if is_there else None


def _values(array: NDArray[Any]) -> Iterator[Any]:
    """Yield plain numbers, of which there are never many at a time."""
    for start in range(0, len(array), _BLOCK):
        yield from array[start : start + _BLOCK].tolist()


def _weighing(router: Any, cost: Any, settings: RouteSettings) -> Any:
    """Return the router with the costs that it will weigh."""
    last = final_estimator(router)
    weighs = not isinstance(last._cost_model(), UnitCost)
    if cost is None and settings.max_cost is not None and not weighs:
        cost = GivenCost()
    # To a router that weighs costs per query the options only say what these are.
    same = isinstance(last.cost, GivenCost) and settings.price_primary is None
    if cost is None or same:
        return router
    if settings.w is None and not constraints_of(settings):
        raise BudgetError(
            f"The threshold of {settings.router} is in the unit of the costs that it was fitted "
            "with: give --w, or a budget such as --max-cost, for these ones."
        )
    return with_cost(router, cost)


def _threshold_router(router: Any, path: Path) -> Any:
    last = final_estimator(router)
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


def _batches(
    router: Any, rows: Rows, names: list[str], more: list[str]
) -> Iterator[tuple[Any, Any, NDArray[np.bool_]]]:
    """Yield features of a batch of queries, all that is read of them, and which rows they are."""
    import pandas as pd

    text = names[0] if _reads_text(router) else None
    for batch in rows.batches(list(dict.fromkeys([*names, *more]))):
        start = int(batch.index[0])
        there = np.ones(len(batch), dtype=bool)
        if text is not None:
            texts = batch[text]
            there = np.asarray(texts.notna() & texts.map(lambda cell: str(cell).strip() != ""))
            batch = batch[there]
        if isinstance(rows, DelimitedRows):
            numeric = [name for name in batch.columns if name != text]
            batch = batch.assign(**{name: rows.numbers(batch[name]) for name in numeric})
        if not there.any():
            yield None, batch, there
            continue
        try:
            read = read_table(
                batch[names], text=text, features=None if text else names, allow_unlabelled=True
            )
        except DataError as error:
            counted = f" (rows counted from row {start} of the file)" if start else ""
            raise DataError(f"{rows.path.name}: {error}{counted}") from None
        yield read.X if text else pd.DataFrame(read.X, columns=names), batch, there


def _predictions(
    router: Any,
    rows: Rows,
    names: list[str],
    settings: RouteSettings,
    advance: Callable[[int], None],
) -> _Predicted:
    """Predict batch by batch; a row without text is no query."""
    cost = final_estimator(router)._cost_model()
    is_fixed = isinstance(cost, UnitCost)  # one row of costs stands for all
    known, asked = rows.columns(), settings.columns_of(cost)
    more = [name for name in (asked.get(of, of) for of in needed_inputs(cost)) if name in known]
    gold = settings.gold
    if gold is not None:
        require_column(
            gold, known, rows.path.name, role="of gold labels", mend="name another with --gold"
        )
        more.append(gold)
    parts: list[tuple[Any, Any, Any]] = []
    everywhere: list[NDArray[np.bool_]] = []
    for X, batch, there in _batches(router, rows, names, more):
        everywhere.append(there)
        advance(there.size)
        if X is None:
            continue
        column = partial(_numbers, batch, rows.path.name)
        texts = X.iloc[:, 0] if _reads_text(router) else None
        inputs = inputs_of_costs(cost, asked, column, known, texts, len(X), rows.path.name)
        features, last = split_router(router, X)
        labels = None if gold is None else _numbers(batch, rows.path.name, gold, empty=True)
        costs = cost.costs(features, **inputs)
        costs = costs[:1].copy() if is_fixed else costs
        parts.append((last.predict_gain(features), costs, labels))
    if not parts:
        raise DataError(f"{rows.path.name} has no queries to route: add rows.")
    gains, all_costs, gold_labels = zip(*parts, strict=True)
    gain, costs = np.concatenate(gains), np.concatenate(all_costs)
    return _Predicted(
        np.concatenate(everywhere),
        gain,
        np.broadcast_to(costs[0], (gain.size, 2)) if is_fixed else costs,
        None if gold is None else np.concatenate(gold_labels),
    )


def _numbers(
    batch: pd.DataFrame, source: str, name: str, *, empty: bool = False
) -> NDArray[np.float64]:
    """Return a column as finite numbers; cells may be empty where `empty`."""
    given = batch[name]
    values = np.asarray(as_numbers(given), dtype=np.float64)
    wrong = ~np.isfinite(values) & ~(np.asarray(given.isna()) & empty)
    if wrong.any():
        where = np.flatnonzero(wrong)[0]
        raise DataError(
            f"Column {name!r} of {source} holds {given.iloc[where]!r} in row "
            f"{given.index[where]}, which is no number: mend it, or name another column."
        )
    return values


def _trade_off(
    router: Any, predicted: _Predicted, settings: RouteSettings, delta: float | None
) -> tuple[float, str]:
    """Return the w to use, and what is to be said of it."""
    if settings.w is not None:
        return settings.w, ""
    constraints: dict[str, Any] = {**constraints_of(settings)}
    if not constraints:
        return float(final_estimator(router).w), ""
    if delta is None:
        alternative, primary = predicted.costs.T
        tuned = tune_threshold(
            ThresholdRouter(AsPredicted(), cost=GivenCost()),
            predicted.gain[:, None],
            cost_primary=primary,
            cost_alternative=alternative,
            **constraints,
        )
        return tuned.w, ""
    if "min_gain" in constraints and predicted.gold is None:
        raise BudgetError(
            "--min-gain is asked of a table without gold labels: name their column with --gold."
        )
    found = certify_predictions(
        predicted.gain, predicted.gold, costs=predicted.costs, delta=delta, **constraints
    )
    if not found.is_certified:
        raise BudgetError(f"No threshold is certified on {settings.queries}. {found.reason}")
    return found.w, f"Certified: {threshold_text(found)} "


def _routed(router: Any, predicted: _Predicted, w: float) -> _Routed:
    last = final_estimator(router)
    last = with_w(last, w)
    last._validate_parameters()
    alternative, primary = predicted.costs.T
    to_primary = decision(predicted.gain, primary - alternative, w) > 0
    return _Routed(predicted, to_primary, (str(last.models[0]), str(last.models[1])), w)


def _report(routed: _Routed, settings: RouteSettings, said: str) -> None:
    alternative, primary = routed.models
    to_primary, n_routed = int(routed.to_primary.sum()), routed.to_primary.size
    blank = routed.predicted.there.size - n_routed
    note = f"Note: {blank} rows without text are not routed. " if blank else ""
    console(stderr=str(settings.out) == "-").print(
        f"{note}{said}{to_primary} of {n_routed} queries ({to_primary / n_routed:.1%}) go to "
        f"{primary}, the others to {alternative} (w = {routed.w:.4g}); written to {settings.out}.",
        markup=False,
        soft_wrap=True,
    )
