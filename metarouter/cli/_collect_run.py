"""Collect labels for a table of prompts: check everything, estimate, ask, write."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metarouter.cli.collect import CollectSettings
from metarouter.cli.console import console
from metarouter.cli.outputs import input_file, output_file
from metarouter.datasets._rows import open_rows, same_format, write_frame
from metarouter.datasets._table_files import SUFFIXES, read_table_file
from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.judging.collection import Collection, Labels, PromptRow
from metarouter.judging.judge_profile import JudgeProfile, profile_judge
from metarouter.judging.judged_table import log2_length_ratio
from metarouter.judging.money import (
    Budget,
    Price,
    as_money,
    price_of,
    read_budget,
    read_prices,
)
from metarouter.judging.reply_store import ReplyStore, open_store
from metarouter.judging.rubric import Rubric, read_rubric
from metarouter.judging.runner import Endpoint, Limits, check_endpoint, estimate, run_calls
from metarouter.judging.template import DOMAINS, Template, load_template
from metarouter.utils.files import write_text
from metarouter.utils.names import require_column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["run_collect"]

_LIBRARIES = ("openai", "pydantic", "tenacity")


def run_collect(settings: CollectSettings) -> None:
    """Collect what is missing and write the labelled table."""
    _require_libraries()
    output_file(settings.out, suffixes=SUFFIXES)
    prices = read_prices(settings.price)
    limit = _budget(settings)
    with input_file(settings.table) as table:
        if settings.out.resolve() == table.resolve():
            raise DataError(f"--out {settings.out} is the table to read: name another file.")
        frame = _read(table, settings)
        collection = _collection(frame, settings, table.name)
        for model in _models(collection):
            price_of(model, prices)
        endpoint = _endpoint(settings)
        if settings.dry_run:
            _say_estimate(collection, settings, endpoint, prices)
            return
        check_endpoint(endpoint)
        with open_store(_store_path(settings)) as store:
            budget = Budget(limit, store.spent())
            reached = _ask_all(collection, settings, store, endpoint, prices, budget)
            labels = collection.labels(store)
            _write(table, frame, settings, labels)
            profiles = _profiles(frame, settings, labels)
            _report(settings, store, labels, profiles, budget, reached)


def _require_libraries() -> None:
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        raise MetaRouterError(
            f"Collecting labels needs {' and '.join(missing)}: install metarouter[judging]."
        )


def _budget(settings: CollectSettings) -> int:
    if settings.dry_run:
        return 0
    if settings.budget is None:
        raise BudgetError("No --budget is given: say how much may be spent, or try --dry-run.")
    return read_budget(settings.budget)


def _read(table: Path, settings: CollectSettings) -> pd.DataFrame:
    names = {
        settings.text,
        settings.answer_primary,
        settings.answer_alternative,
        settings.rubric_column,
        settings.reference,
    }
    frame = read_table_file(table, names, settings.encoding).frame
    require_column(
        settings.text, frame.columns, table.name, role="of queries", mend="name it with --text"
    )
    if len(frame) == 0:
        raise DataError(f"{table.name} has no rows: write the table anew.")
    return frame


def _collection(frame: pd.DataFrame, settings: CollectSettings, name: str) -> Collection:
    pairwise, by_rubric = _templates(settings)
    if not settings.judge and settings.grader is None:
        raise MetaRouterError("Nobody is asked: name a --judge, a --grader, or both.")
    if len(set(settings.judge)) < len(settings.judge):
        raise MetaRouterError("A --judge is named twice: name each once, and say more --draws.")
    primary = _answers(frame, settings.answer_primary, settings.primary, "primary", name)
    other = _answers(frame, settings.answer_alternative, settings.alternative, "alternative", name)
    rubrics = _rubrics(frame, settings, name)
    questions = _texts(frame, settings.text)
    rows = [PromptRow(*cells) for cells in zip(questions, primary, other, rubrics, strict=True)]
    collection = Collection(
        rows,
        settings.primary,
        settings.alternative,
        tuple(settings.judge),
        settings.grader,
        pairwise,
        by_rubric,
        draws=settings.draws,
        limit=settings.max_tokens,
        answer_limit=settings.max_answer_tokens,
        settings={} if settings.temperature is None else {"temperature": settings.temperature},
    )
    for column in collection.column_names():
        if column in frame.columns and not column.startswith("answer_"):
            raise DataError(
                f"{name} has a column {column!r} already, which is to be added: rename it."
            )
    return collection


def _templates(settings: CollectSettings) -> tuple[Template, Template]:
    pairwise = "general" if not settings.judge else settings.template
    by_rubric = settings.rubric_template
    if by_rubric is None:
        by_rubric = settings.template if settings.template in DOMAINS else "general"
    return load_template(pairwise, "pairwise"), load_template(by_rubric, "rubric")


def _texts(frame: pd.DataFrame, column: str) -> list[str | None]:
    if column not in frame.columns:
        return [None] * len(frame)
    cells = frame[column]
    texts = ["" if gone else str(cell) for cell, gone in zip(cells, cells.isna(), strict=True)]
    return [text if text.strip() else None for text in texts]


def _answers(
    frame: pd.DataFrame, column: str, model: str | None, side: str, name: str
) -> list[str | None]:
    if model is None:
        mend = f"name it with --answer-{side}, or the model to ask with --{side}"
        require_column(column, frame.columns, name, role="of answers", mend=mend)
    return _texts(frame, column)


def _rubrics(frame: pd.DataFrame, settings: CollectSettings, name: str) -> list[Rubric | None]:
    n = len(frame)
    if settings.grader is None:
        return [None] * n
    references = _texts(frame, settings.reference)
    if settings.rubric is not None:
        if not settings.rubric.is_file():
            raise DataError(f"There is no file {settings.rubric}: check --rubric.")
        text, where = settings.rubric.read_text("utf-8-sig"), f"The rubric {settings.rubric}"
        rubrics: list[Rubric | None] = [read_rubric(text, where, ref) for ref in references]
    else:
        given = _texts(frame, settings.rubric_column)
        if not any(given):
            raise DataError(
                f"{name} has no rubrics in a column {settings.rubric_column!r}: name it with "
                "--rubric-column, or give one rubric for all queries with --rubric."
            )
        rubrics = [
            None if text is None else read_rubric(text, f"The rubric in row {k} of {name}", ref)
            for k, (text, ref) in enumerate(zip(given, references, strict=True))
        ]
    there = [k for k, rubric in enumerate(rubrics) if rubric is not None]
    if settings.n_gold is not None and settings.n_gold < len(there):
        rng = np.random.default_rng(settings.seed)
        kept = set(rng.choice(there, settings.n_gold, replace=False).tolist())
        rubrics = [rubric if k in kept else None for k, rubric in enumerate(rubrics)]
    return rubrics


def _models(collection: Collection) -> list[str]:
    asked = [*collection.judges, collection.grader, collection.primary, collection.alternative]
    return [model for model in asked if model is not None]


def _endpoint(settings: CollectSettings) -> Endpoint:
    key = os.environ.get(settings.key_from, "").strip()
    url = settings.base_url
    if url is not None and not url.startswith(("http://", "https://")):
        raise MetaRouterError("base_url is no address: give one such as http://localhost:8000/v1.")
    if not key and url is None and not settings.dry_run:
        raise MetaRouterError(
            f"The environment variable {settings.key_from} holds no key: set it, or name another "
            "with --key-from."
        )
    return Endpoint(
        url,
        key or "none",
        timeout=settings.timeout,
        limit_field=str(settings.limit_field),
        reply_format=str(settings.reply_format),
    )


def _store_path(settings: CollectSettings) -> Path:
    return settings.store or settings.out.with_name(f"{settings.out.name}.replies.sqlite")


def _say_estimate(
    collection: Collection,
    settings: CollectSettings,
    endpoint: Endpoint,
    prices: dict[str, Price],
) -> None:
    def calls() -> Iterator[Any]:
        yield from collection.answer_calls()
        yield from collection.judge_calls(None)

    path = _store_path(settings)
    if path.exists():
        with open_store(path) as store:
            total = estimate(calls(), store, endpoint, prices, collection.asks)
    else:
        total = estimate(calls(), None, endpoint, prices, collection.asks)
    console().print(
        f"{total.n_calls} calls, {total.n_stored} of them with a reply in store; the others cost "
        f"about {as_money(total.expected)} (a quarter of a token per byte, half of the limit per "
        f"reply), and at most {as_money(total.most)} where none is asked again. Nobody was asked.",
        markup=False,
        soft_wrap=True,
    )


def _ask_all(
    collection: Collection,
    settings: CollectSettings,
    store: ReplyStore,
    endpoint: Endpoint,
    prices: dict[str, Price],
    budget: Budget,
) -> bool:
    limits = Limits(settings.concurrency, settings.per_minute, asks=collection.asks)
    stages: list[tuple[str, Callable[[], Iterator[Any]]]] = [
        ("answers", collection.answer_calls),
        ("verdicts and grades", lambda: collection.judge_calls(store)),
    ]
    for name, calls in stages:
        total = sum(1 for _ in calls())
        if total == 0:
            continue
        with _progress(name, total, budget, settings.progress) as advance:
            if not run_calls(calls(), store, endpoint, prices, budget, limits, advance):
                return False
    return True


@contextmanager
def _progress(
    name: str, total: int, budget: Budget, shown: bool
) -> Iterator[Callable[[int], None]]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    said = TextColumn("{task.fields[spent]} of " + as_money(budget.limit) + " spent")
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), said, TimeRemainingColumn())
    to = console(stderr=True)
    with Progress(*columns, console=to, disable=not (shown and to.is_terminal)) as bar:
        task = bar.add_task(name, total=total, spent=as_money(budget.spent))
        yield lambda spent: bar.update(task, advance=1, spent=as_money(spent))


def _write(table: Path, frame: pd.DataFrame, settings: CollectSettings, labels: Labels) -> None:
    added = {name: values for name, values in labels.columns.items() if name not in frame.columns}
    filled = {name: values for name, values in labels.columns.items() if name in frame.columns}
    if same_format(table, settings.out) and not filled:
        open_rows(table, settings.encoding).write(settings.out, added)
    else:
        write_frame(frame.assign(**filled, **added), settings.out)


def _profiles(frame: pd.DataFrame, settings: CollectSettings, labels: Labels) -> list[JudgeProfile]:
    import pandas as pd

    gold: Any = labels.columns.get("gold")
    if gold is None and settings.gold in frame.columns:
        gold = pd.to_numeric(frame[settings.gold], errors="coerce")
    ratio = _log2_length_ratio(frame, settings, labels)
    profiles = []
    for judge, verdicts in labels.verdicts.items():
        if np.isnan(verdicts.mean).all():
            continue
        profiles.append(
            profile_judge(
                verdicts,
                gold=None if gold is None else np.array(gold, dtype=float),
                log2_length_ratio=ratio,
                groups=frame[settings.text].astype(str).to_numpy(),
                judge=judge,
            )
        )
    return profiles


def _log2_length_ratio(frame: pd.DataFrame, settings: CollectSettings, labels: Labels) -> Any:
    sides: list[Any] = []
    for default, name in (
        ("answer_primary", settings.answer_primary),
        ("answer_alternative", settings.answer_alternative),
    ):
        texts = labels.columns.get(default)
        sides.append(_texts(frame, name) if texts is None else texts)
    return log2_length_ratio(*sides)


def _report(
    settings: CollectSettings,
    store: ReplyStore,
    labels: Labels,
    profiles: list[JudgeProfile],
    budget: Budget,
    reached: bool,
) -> None:
    counts = [f"- {name}: {number}" for name, number in labels.counts.items()]
    tries = [f"- {name}: {number}" for name, number in store.outcomes().items()]
    parts = [
        "# The judges",
        *(
            f"## {p.judge}\n\n{p.to_markdown()}\n\n" + "\n".join(f"- {note}" for note in p._notes())
            for p in profiles
        ),
        "## Replies\n\n" + "\n".join(counts),
        "## Calls\n\n" + "\n".join(tries) + f"\n\nSpent at most: {as_money(budget.spent)}",
    ]
    about = settings.out.with_name(f"{settings.out.name}.judges.md")
    write_text(about, "\n\n".join(parts) + "\n")
    to = console()
    for profile in profiles:
        to.print(profile.summary(), markup=False, soft_wrap=True)
    for name, number in labels.counts.items():
        to.print(f"{name}: {number}", markup=False, soft_wrap=True)
    to.print(
        f"Spent {as_money(budget.spent)} of {as_money(budget.limit)}; written to {settings.out} "
        f"and {about}.",
        markup=False,
        soft_wrap=True,
    )
    missing = sum(n for name, n in labels.counts.items() if name.endswith(": missing"))
    if not reached:
        raise BudgetError(
            f"--budget is used up ({as_money(budget.spent)} of {as_money(budget.limit)} spent, the "
            f"next call may cost more than is left): {missing} replies are missing from "
            f"{settings.out}; give more with --budget and run this again."
        )
    if missing:
        raise MetaRouterError(
            f"{missing} replies are missing from {settings.out}, as the endpoint failed too often: "
            "run this again to ask for them."
        )
