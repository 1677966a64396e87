"""How far something long has come: shown on standard error, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["progress_bar", "stages"]


@contextmanager
def progress_bar(
    total: int | None, what: str, *, done: int = 0, shown: bool = True
) -> Iterator[Callable[..., None]]:
    """Show a bar; what is yielded moves it on by one, or by the number that it is given.

    Parameters
    ----------
    total : int or None
        None where it is not known beforehand: then only the count and the time are shown.
    what : str
        What is counted, such as ``"rounds"``.
    done : int, default=0
        Where the bar begins.
    shown : bool, default=True
        Without it, or where standard error is no terminal, nothing is written.
    """
    if not (shown and sys.stderr.isatty()):
        yield lambda n=1: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    of_total = [BarColumn(), MofNCompleteColumn()]
    left = [TextColumn("left"), TimeRemainingColumn()]
    columns = [*of_total, *left] if total is not None else [TextColumn("{task.completed}")]
    with _live(TextColumn(what), *columns) as progress:
        task = progress.add_task("", total=total, completed=done)
        yield lambda n=1: progress.advance(task, n)


@contextmanager
def stages(shown: bool = True) -> Iterator[Callable[[str], None]]:
    """Show what is being done, and for how long; what is yielded names the next stage."""
    if not (shown and sys.stderr.isatty()):
        yield lambda name: None
        return
    from rich.progress import SpinnerColumn, TextColumn

    with _live(SpinnerColumn(), TextColumn("{task.description}")) as progress:
        task = progress.add_task("", total=None)
        yield lambda name: progress.update(task, description=name)


def _live(*columns: Any) -> Any:
    from rich.console import Console
    from rich.progress import Progress, TimeElapsedColumn

    return Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
