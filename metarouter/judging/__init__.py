"""Collecting labels: answers, verdicts in both orders, grades by rubric, people."""

from __future__ import annotations

from metarouter.judging.collection import Collection, Labels, PromptRow
from metarouter.judging.judge_profile import (
    JudgeProfile,
    Verdicts,
    VerdictSummary,
    draw_weights,
    profile_judge,
)
from metarouter.judging.judged_table import judges_of_table, profile_table, summary_of_judge
from metarouter.judging.money import Budget, Price
from metarouter.judging.next_labels import NextLabels, next_labels
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
    "NextLabels",
    "Price",
    "PromptRow",
    "Rubric",
    "Template",
    "VerdictSummary",
    "Verdicts",
    "copy_templates",
    "draw_weights",
    "judges_of_table",
    "load_template",
    "next_labels",
    "open_store",
    "profile_judge",
    "profile_table",
    "read_rubric",
    "run_calls",
    "summary_of_judge",
]
