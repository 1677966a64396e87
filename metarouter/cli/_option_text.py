"""Errors of the library name Python arguments; those of the command line name its options.

What the user has given is never rewritten, even where a column or a folder bears the name of an
argument: values that stand in quotes, and the words of the command line itself, are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath
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
    "positive": "--positive",
    "zero_means": "--zero-means",
    "encoding": "--encoding",
    "data_home": "--data-home",
    "scaling": "--scaling",
    "method": "--method",
    "propensity": "--propensity",
    "n_gold": "--n-gold",
    "n_test": "--n-test",
    "rounds": "--rounds",
    "max_share": "--max-share",
    "max_cost": "--max-cost",
    "min_saving": "--min-saving",
    "min_gain": "--min-gain",
    "max_loss": "--max-loss",
    "gain_bounds": "--gain-bounds",
    "cost_bounds": "--cost-bounds",
    "alarm_level": "--alarm-level",
    "budget": "--budget",
    "base_url": "--base-url",
    "cv": "--folds",
    "folds": "--folds",
}


def _dashed(found: re.Match[str]) -> str:
    return f"--{found[1].replace('_', '-')}"


def _of_another_study(found: re.Match[str]) -> str:
    """Name the option that decides; vectors of text and simulated data follow from the seed."""
    names = found[1].split(", ")
    if "random_state" in names:
        others = [name for name in names if name not in ("random_state", "data")]
        data = ["data, which may follow from the seed"] if "data" in names else []
        names = ["--seed", *others, *data]
    return f"(other {', '.join(names)})"


_PHRASES: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r",? or read them with allow_unlabelled=True"), ""),
    (re.compile(r"\bor set grouped=False"), "or give --group-by none"),
    (re.compile(r"\bfor cv=(\d+) folds"), r"for \1 folds"),
    (re.compile(r"\blower cv to"), "lower --folds to"),
    (
        re.compile(
            r"(?<![\w-])(n_gold|n_test|max_share|max_cost|min_saving|min_gain|max_loss|alarm_level"
            r"|gain_bounds|cost_bounds|data_home)(?![\w=])"
        ),
        _dashed,
    ),
    (re.compile(r"(?<=holds rounds of another study )\(other ([^)]*)\)"), _of_another_study),
    (re.compile(r"\bRouterMonitor\.save\b"), "`metarouter monitor`"),
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
# A Python literal of text. The quotes of name='value' are our own; an apostrophe is no quote.
_QUOTED = r"""(?<![\w=])b?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?!\w)"""


def as_options(message: str, given: Iterable[str] = ()) -> str:
    """Write the arguments that a message names as options of the command line.

    Parameters
    ----------
    message : str
    given : iterable of str
        The words of the command line: paths and names of the user, which stay as they are.

    Examples
    --------
    >>> as_options("name a column of text with text=, or use scaling=None.")
    'name a column of text with --text, or use --scaling none.'
    >>> as_options("use method='cv'.")
    'use --method cv.'
    >>> as_options("n_gold/t.csv has no column 'n_gold': lower n_test.", ["n_gold/t.csv"])
    "n_gold/t.csv has no column 'n_gold': lower --n-test."
    """
    kept: list[str] = []

    def put_aside(found: re.Match[str]) -> str:
        kept.append(found[0])
        return f"\0{len(kept) - 1}\0"

    message = _of_the_user(given).sub(put_aside, message)
    for phrase, replacement in _PHRASES:
        message = phrase.sub(replacement, message)
    message = _ARGUMENT.sub(_as_option, message)
    return re.sub(r"\0(\d+)\0", lambda found: kept[int(found[1])], message)


def _of_the_user(given: Iterable[str]) -> re.Pattern[str]:
    """Match quoted values, and given words that could be misread, with the ends of paths."""
    values = [word.partition("=")[2] if word.startswith("-") else word for word in given]
    words = {part for value in values for part in (value, PurePath(value).name)}
    misread = [word for word in words if any(name in word for name in (*_OPTION_OF, "save_router"))]
    names = "|".join(re.escape(word) for word in sorted(misread, key=len, reverse=True))
    return re.compile(_QUOTED + (rf"|(?<![\w-])(?:{names})(?![\w=])" if names else ""))


def _as_option(found: re.Match[str]) -> str:
    option, value, quoted = _OPTION_OF[found[1]], found[2], found[3]
    if not value:
        return option
    return f"{option} {'none' if value == 'None' else quoted if quoted is not None else value}"
