"""Collecting labels: answers, verdicts in both orders, grades by rubric, people."""

from __future__ import annotations

from metarouter.judging.collection import Collection, Labels, PromptRow
from metarouter.judging.judge_profile import (
    JudgeProfile,
    Verdicts,
    draw_weights,
    profile_judge,
)
from metarouter.judging.money import Budget, Price
from metarouter.judging.reply_store import open_store
from metarouter.judging.rubric import Criterion, Rubric, read_rubric
from metarouter.judging.runner import Endpoint, Limits, run_calls
from metarouter.judging.template import Template, copy_templates, load_template

__all__ = [
    "Budget",
    "Collection",
    "Criterion",
    "Endpoint",
    "JudgeProfile",
    "Labels",
    "Limits",
    "Price",
    "PromptRow",
    "Rubric",
    "Template",
    "Verdicts",
    "copy_templates",
    "draw_weights",
    "load_template",
    "open_store",
    "profile_judge",
    "read_rubric",
    "run_calls",
]
