"""Labels of a whole table: which calls it asks for, and what their replies say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metarouter.judging.calls import Call, Pair, answer_call, grade_calls, verdict_calls
from metarouter.judging.judge_profile import Verdicts, draw_weights
from metarouter.judging.replies import dictates_verdict, parse_criteria, parse_verdict
from metarouter.judging.reply_store import ReplyStore
from metarouter.judging.rubric import Rubric
from metarouter.judging.runner import final_reply
from metarouter.judging.template import Template

__all__ = ["Collection", "Labels", "PromptRow"]


@dataclass(frozen=True)
class PromptRow:
    """A row of a table of prompts.

    Parameters
    ----------
    question : str or None
        None where there is none: the row is left without labels.
    primary, alternative : str or None
        The answers; None where they are to be collected.
    rubric : Rubric or None
        None where the row gets no grades.
    """

    question: str | None
    primary: str | None = None
    alternative: str | None = None
    rubric: Rubric | None = None


@dataclass
class Labels:
    """What a collection has brought.

    Parameters
    ----------
    columns : dict of str to list
        Columns to add to the table, None where a row has no value.
    verdicts : dict of str to Verdicts
        Per judge.
    counts : dict of str to int
        Replies by protocol and status, and answers that speak to their judge.
    """

    columns: dict[str, list[Any]] = field(default_factory=dict)
    verdicts: dict[str, Verdicts] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Collection:
    """What to collect for every row of a table.

    Parameters
    ----------
    rows : sequence of PromptRow
    primary, alternative : str or None
        Models to ask for answers that are missing.
    judges : sequence of str
        Models that compare answers; may be empty.
    grader : str or None
        The model that grades answers by rubric.
    pairwise, rubric : Template
    draws : int
        Times that each verdict and grade is asked for.
    limit, answer_limit : int
        Largest number of tokens of a verdict or grade, and of an answer.
    settings : dict
        Sampling settings of judges and grader, such as a temperature.
    asks : int
        Times that a malformed reply is asked for.
    """

    rows: Sequence[PromptRow]
    primary: str | None
    alternative: str | None
    judges: Sequence[str]
    grader: str | None
    pairwise: Template
    rubric: Template
    draws: int = 1
    limit: int = 1000
    answer_limit: int = 2000
    settings: Mapping[str, Any] = field(default_factory=dict)
    asks: int = 2

    def answer_calls(self) -> Iterator[Call]:
        """Yield a call for every answer that the table lacks."""
        for row in self.rows:
            for model, given in ((self.primary, row.primary), (self.alternative, row.alternative)):
                if row.question is not None and given is None and model is not None:
                    yield answer_call(model, row.question, self.answer_limit, {})

    def judge_calls(self, store: ReplyStore | None) -> Iterator[Call]:
        """Yield all verdicts and grades of rows whose answers are there.

        Parameters
        ----------
        store : ReplyStore or None
            Where answers were collected; without it, a missing answer is taken to be as long as it
            may get, at four bytes per token, for an estimate.
        """
        for row in self.rows:
            pair = self._pair(row, store)
            if pair is None:
                continue
            for judge in self.judges:
                yield from (call for _, call in self._verdict_calls(judge, pair))
            yield from (call for _, call in self._grade_calls(row, pair))

    def labels(self, store: ReplyStore) -> Labels:
        """Read all labels from the replies in the store."""
        labels, counts = Labels(), Counter[str]()
        pairs = [self._pair(row, store) for row in self.rows]
        self._add_answers(labels, counts, pairs, store)
        for judge in self.judges:
            suffix = "" if len(self.judges) == 1 else f"_{_column(judge)}"
            self._add_verdicts(labels, counts, pairs, store, judge, suffix)
        if self.grader is not None:
            self._add_grades(labels, counts, pairs, store)
        labels.counts = dict(sorted(counts.items()))
        return labels

    def column_names(self) -> list[str]:
        """Return the names of the columns that will be added."""
        names = [*(_ANSWERS if self.primary is not None else ()), *_FLAGS]
        for judge in self.judges:
            suffix = "" if len(self.judges) == 1 else f"_{_column(judge)}"
            names += [f"preference{part}{suffix}" for part in _PREFERENCE]
        return names + (list(_GOLD) if self.grader is not None else [])

    def _verdict_calls(self, judge: str, pair: Pair) -> Iterator[tuple[bool, Call]]:
        return verdict_calls(
            judge,
            self.pairwise,
            pair,
            draws=self.draws,
            limit=self.limit,
            settings=dict(self.settings),
        )

    def _grade_calls(self, row: PromptRow, pair: Pair) -> Iterator[tuple[bool, Call]]:
        if row.rubric is None or self.grader is None:
            return iter(())
        return grade_calls(
            self.grader,
            self.rubric,
            row.rubric,
            pair,
            draws=self.draws,
            limit=self.limit,
            settings=dict(self.settings),
        )

    def _pair(self, row: PromptRow, store: ReplyStore | None) -> Pair | None:
        if row.question is None:
            return None
        answers = []
        for model, given in ((self.primary, row.primary), (self.alternative, row.alternative)):
            if given is None and model is not None:
                given = self._answer(model, row.question, store)
            if given is None:
                return None
            answers.append(given)
        return Pair(row.question, *answers)

    def _answer(self, model: str, question: str, store: ReplyStore | None) -> str | None:
        if store is None:
            # Answers of two models differ, and so do the calls about them.
            return f"{model} " + "x" * (4 * self.answer_limit)
        call = answer_call(model, question, self.answer_limit, {})
        reply = final_reply(store, call, self.asks)
        return reply.text if reply is not None and reply.status == "complete" else None

    def _add_answers(
        self,
        labels: Labels,
        counts: Counter[str],
        pairs: Sequence[Pair | None],
        store: ReplyStore,
    ) -> None:
        if self.primary is not None and self.alternative is not None:
            sides = (("primary", self.primary), ("alternative", self.alternative))
            for side, model in sides:
                texts: list[Any] = []
                costs: list[Any] = []
                for row in self.rows:
                    given = getattr(row, side)
                    reply = None
                    if row.question is not None and given is None:
                        call = answer_call(model, row.question, self.answer_limit, {})
                        reply = final_reply(store, call, self.asks)
                        counts[f"answer: {reply.status if reply else 'missing'}"] += 1
                    complete = reply is not None and reply.status == "complete"
                    texts.append(reply.text if reply is not None and complete else given)
                    costs.append(reply.cost / 1e9 if reply is not None and complete else None)
                labels.columns[f"answer_{side}"] = texts
                # Costs are read by `fit` in all rows or in none.
                if all(cost is not None for cost in costs):
                    labels.columns[f"cost_{side}"] = costs
        for side in ("primary", "alternative"):
            flags = [None if p is None else dictates_verdict(getattr(p, side)) for p in pairs]
            counts["answer: speaks to its judge"] += sum(flag is True for flag in flags)
            labels.columns[f"flagged_{side}"] = flags

    def _add_verdicts(
        self,
        labels: Labels,
        counts: Counter[str],
        pairs: Sequence[Pair | None],
        store: ReplyStore,
        judge: str,
        suffix: str,
    ) -> None:
        orders = np.full((2, len(pairs), self.draws), np.nan)
        for k, pair in enumerate(pairs):
            if pair is None:
                continue
            for primary_first, call in self._verdict_calls(judge, pair):
                reply = final_reply(store, call, self.asks)
                status = "missing" if reply is None else reply.status
                counts[f"verdict of {judge}: {status}"] += 1
                if reply is not None and status == "complete":
                    sign = 1 if primary_first else -1
                    orders[0 if primary_first else 1, k, call.draw] = sign * parse_verdict(
                        reply.text
                    )
        verdicts = Verdicts(orders[0], orders[1])
        labels.verdicts[judge] = verdicts
        values = {
            "": verdicts.mean,
            "_primary_first": verdicts.order_means[0],
            "_primary_second": verdicts.order_means[1],
            "_sd": verdicts.draw_sd,
            "_draws": verdicts.n_draws.astype(float),
            "_weight": draw_weights(verdicts),
        }
        for part in _PREFERENCE:
            labels.columns[f"preference{part}{suffix}"] = _cells(values[part])

    def _add_grades(
        self,
        labels: Labels,
        counts: Counter[str],
        pairs: Sequence[Pair | None],
        store: ReplyStore,
    ) -> None:
        n = len(pairs)
        shares = np.full((2, n, self.draws), np.nan)
        criteria: list[list[Any]] = [[None] * n, [None] * n]
        totals = np.full((2, n), np.nan)
        for k, (row, pair) in enumerate(zip(self.rows, pairs, strict=True)):
            if pair is None or row.rubric is None:
                continue
            points: tuple[list[list[float]], list[list[float]]] = ([], [])
            for is_primary, call in self._grade_calls(row, pair):
                reply = final_reply(store, call, self.asks)
                status = "missing" if reply is None else reply.status
                counts[f"grade by {self.grader}: {status}"] += 1
                if reply is None or status != "complete":
                    continue
                met = parse_criteria(reply.text, len(row.rubric.criteria))
                side = 0 if is_primary else 1
                shares[side, k, call.draw] = row.rubric.share(met)
                points[side].append(row.rubric.points(met))
            for side in (0, 1):
                if points[side]:
                    mean = np.mean(points[side], axis=0)
                    totals[side, k] = mean.sum()
                    criteria[side][k] = json.dumps([round(float(v), 6) for v in mean])
        graded = Verdicts(shares[0], shares[1])
        primary, alternative = graded.order_means
        values: dict[str, list[Any]] = {
            "gold": _cells(primary - alternative),
            "gold_primary": _cells(primary),
            "gold_alternative": _cells(alternative),
            "gold_points_primary": _cells(totals[0]),
            "gold_points_alternative": _cells(totals[1]),
            "gold_criteria_primary": criteria[0],
            "gold_criteria_alternative": criteria[1],
            "gold_sd": _cells(graded.draw_sd),
        }
        labels.columns.update({name: values[name] for name in _GOLD})


_ANSWERS = (
    "answer_primary",
    "cost_primary",
    "answer_alternative",
    "cost_alternative",
)
_FLAGS = ("flagged_primary", "flagged_alternative")
_PREFERENCE = ("", "_primary_first", "_primary_second", "_sd", "_draws", "_weight")
_GOLD = (
    "gold",
    "gold_primary",
    "gold_alternative",
    "gold_points_primary",
    "gold_points_alternative",
    "gold_criteria_primary",
    "gold_criteria_alternative",
    "gold_sd",
)


def _cells(values: Any) -> list[Any]:
    return [None if np.isnan(value) else float(value) for value in values]


def _column(judge: str) -> str:
    """Return a judge's name as it may stand in the name of a column."""
    return "".join(letter if letter.isalnum() else "_" for letter in judge).strip("_")
