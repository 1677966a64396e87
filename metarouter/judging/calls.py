"""The calls that a table asks for: answers, verdicts in both orders, grades by rubric."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from metarouter.judging.replies import parse_criteria, parse_verdict, reply_schema
from metarouter.judging.rubric import Rubric
from metarouter.judging.template import Template

__all__ = ["Call", "Pair", "answer_call", "grade_calls", "verdict_calls"]

# In keys the random code of the marks is replaced by this, so that a key depends on content alone.
_NEUTRAL = "-"
_KEY_FORMAT = 1


@dataclass(frozen=True)
class Call:
    """One thing to ask of one model.

    Parameters
    ----------
    model : str
    limit : int
        The largest number of tokens of the reply.
    build : callable
        Returns the messages, given the code of the marks.
    parse : callable or None
        Raises ``MalformedReplyError`` if a reply is not what was asked for; None for answers.
    schema : dict or None
        JSON schema of the reply.
    settings : dict
        Sampling settings, sent as they are.
    draw : int
        Number of the draw: asking the same again is another call.
    """

    model: str
    limit: int
    build: Callable[[str], list[dict[str, str]]]
    parse: Callable[[str], Any] | None = None
    schema: dict[str, Any] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    draw: int = 0

    def key(self, attempt: int = 0) -> str:
        """Return the key of the reply: a hash of all that the reply depends on."""
        content = [
            _KEY_FORMAT,
            self.model,
            self.limit,
            self.build(_NEUTRAL),
            self.settings,
            self.draw,
            attempt,
        ]
        text = json.dumps(content, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


class Pair(NamedTuple):
    """A query with the answers of the primary and of the alternative model."""

    question: str
    primary: str
    alternative: str


def answer_call(model: str, question: str, limit: int, settings: dict[str, Any]) -> Call:
    """Ask a model for its answer to a query."""
    return Call(model, limit, lambda _: [{"role": "user", "content": question}], settings=settings)


def verdict_calls(
    model: str,
    template: Template,
    pair: Pair,
    *,
    draws: int,
    limit: int,
    settings: dict[str, Any],
) -> Iterator[tuple[bool, Call]]:
    """Yield whether the primary's answer is shown first, and the call, for every draw."""
    for primary_first in (True, False):
        shown = (
            (pair.primary, pair.alternative) if primary_first else (pair.alternative, pair.primary)
        )
        fields = {"question": pair.question, "answer_a": shown[0], "answer_b": shown[1]}

        def build(fence: str, fields: dict[str, str] = fields) -> list[dict[str, str]]:
            return template.messages(fields, fence)

        for draw in range(draws):
            yield (
                primary_first,
                Call(model, limit, build, parse_verdict, reply_schema(), settings, draw),
            )


def grade_calls(
    model: str,
    template: Template,
    rubric: Rubric,
    pair: Pair,
    *,
    draws: int,
    limit: int,
    settings: dict[str, Any],
) -> Iterator[tuple[bool, Call]]:
    """Yield whether the primary's answer is graded, and the call, for every draw."""
    n_criteria = len(rubric.criteria)

    def parse(text: str) -> Sequence[bool]:
        return parse_criteria(text, n_criteria)

    for is_primary, answer in ((True, pair.primary), (False, pair.alternative)):
        fields = {
            "question": pair.question,
            "criteria": rubric.as_text(),
            "reference": rubric.reference,
            "answer": answer,
        }

        def build(fence: str, fields: dict[str, str | None] = fields) -> list[dict[str, str]]:
            return template.messages(fields, fence)

        for draw in range(draws):
            yield (
                is_primary,
                Call(model, limit, build, parse, reply_schema(n_criteria), settings, draw),
            )
