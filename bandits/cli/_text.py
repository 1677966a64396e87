"""What the commands say of themselves."""

from __future__ import annotations

import shlex
import sys
from typing import Any

__all__ = ["command_line", "one_line", "print_sentence"]


def command_line() -> str:
    """Return the command as it was given."""
    return shlex.join(["bandits", *sys.argv[1:]])


def one_line(router: Any) -> str:
    """Return a router and its settings."""
    return " ".join(repr(router).split())


def print_sentence(to: Any, sentence: str) -> None:
    """Print a sentence as it is, however long."""
    to.print(sentence, markup=False, soft_wrap=True)
