"""Errors of the library name Python arguments; those of the command line name its options."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["as_options"]

_OPTION_OF = {
    "text": "--text",
    "features": "--features",
    "gold": "--gold",
    "preference": "--preference",
    "group": "--group-by",
    "groups": "--group-by",
    "weight": "--weight",
    "data_home": "--data-home",
    "scaling": "--scaling",
    "method": "--method",
    "propensity": "--propensity",
    "n_gold": "--n-gold",
    "n_test": "--n-test",
    "rounds": "--rounds",
    "max_share": "--max-share",
    "cv": "--folds",
}


def _dashed(found: re.Match[str]) -> str:
    return f"--{found[1].replace('_', '-')}"


_PHRASES: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r",? or read them with allow_unlabelled=True"), ""),
    (re.compile(r"\bfor cv=(\d+) folds"), r"for \1 folds"),
    (re.compile(r"\blower cv to"), "lower --folds to"),
    (re.compile(r"(?<![\w-])(n_gold|n_test|max_share|data_home)(?![\w=])"), _dashed),
    (re.compile(r"\bsave_router\b"), "`metarouter fit`"),
    (
        re.compile(r"give an empty folder, or the settings that it was begun with"),
        "give the settings that it was begun with, another --out or --checkpoint, or begin anew "
        "with --no-resume",
    ),
)
_ARGUMENT = re.compile(
    r"(?<![\w.-])(" + "|".join(_OPTION_OF) + r")=('([^']*)'|None\b|\d+(?:\.\d+)?|)"
)


def as_options(message: str) -> str:
    """Write the arguments that a message names as options of the command line.

    Examples
    --------
    >>> as_options("name a column of text with text=, or use scaling=None.")
    'name a column of text with --text, or use --scaling none.'
    >>> as_options("use method='cv'.")
    'use --method cv.'
    """
    for phrase, replacement in _PHRASES:
        message = phrase.sub(replacement, message)
    return _ARGUMENT.sub(_as_option, message)


def _as_option(found: re.Match[str]) -> str:
    option, value, quoted = _OPTION_OF[found[1]], found[2], found[3]
    if not value:
        return option
    return f"{option} {'none' if value == 'None' else quoted if quoted is not None else value}"
