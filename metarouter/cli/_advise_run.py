"""Price the labels that could be bought next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metarouter.cli.advise import AdviseSettings
from metarouter.cli.console import console
from metarouter.cli.outputs import input_file
from metarouter.datasets._table_files import read_table_file
from metarouter.datasets._table_labels import LabelColumn, read_labels
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.judging.judged_table import judges_of_table, summary_of_judge
from metarouter.judging.next_labels import next_labels
from metarouter.utils.names import nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["run_advise"]

_QUERY = "query"


def run_advise(settings: AdviseSettings) -> None:
    """Read the pilot, price every option, print them."""
    if settings.gold_price is None or not settings.judge_price:
        missing = "--gold-price" if settings.gold_price is None else "--judge-price"
        raise MetaRouterError(f"Option {missing} is missing: say what a label costs.")
    with input_file(settings.table) as table:
        text = settings.text or _QUERY
        frame, name = read_table_file(table, {text}, settings.encoding).frame, table.name
    for column in (settings.gold, *([settings.text] if settings.text else [])):
        if column not in frame.columns:
            columns = [str(c) for c in frame.columns]
            raise DataError(
                f"{name} has no column {column!r}{nearest(column, columns)}: name it with "
                f"--{'gold' if column == settings.gold else 'text'}."
            )
    columns = settings.preference or judges_of_table(frame)
    if not columns:
        raise DataError(f"{name} has no column of verdicts: name it with --preference.")
    judges = {
        column.removeprefix("preference_"): summary_of_judge(frame, column, name=name)
        for column in columns
    }
    found = next_labels(
        judges,
        read_labels(frame, LabelColumn("gold", settings.gold), name).values,
        price=_prices(settings.judge_price, list(judges)),
        gold_price=settings.gold_price,
        groups=_groups(frame, text),
        random_state=settings.seed,
    )
    to = console()
    to.print(found.summary(), markup=False, soft_wrap=True)
    for note in found.left_out:
        to.print(f"Note: {note}.", markup=False, soft_wrap=True)


def _groups(frame: pd.DataFrame, text: str) -> np.ndarray | None:
    return frame[text].astype(str).to_numpy() if text in frame.columns else None


def _prices(given: list[str], judges: list[str]) -> dict[str, float]:
    prices = {}
    for word in given:
        judge, separator, amount = word.rpartition("=")
        try:
            money = float(amount)
        except ValueError:
            raise MetaRouterError(
                f"--judge-price {word} is no price: give PRICE or JUDGE=PRICE."
            ) from None
        if separator and judge not in judges:
            raise MetaRouterError(
                f"--judge-price names {judge!r}, which is no judge of the table"
                f"{nearest(judge, judges)} ({', '.join(judges)})."
            )
        prices.update(dict.fromkeys([judge] if separator else judges, money))
    return prices
