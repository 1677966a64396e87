"""The command line: ``bandits``, or ``python -m bandits`` where it is not installed."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after the program's name; by default those that the process was started with.

    Raises
    ------
    SystemExit
        Always: 0 when all went well, 2 for a mistake that the user can mend, 130 when stopped
        with Ctrl-C, 1 when a file could not be written.
    """
    from bandits.cli._app import app

    app(args=None if arguments is None else list(arguments), prog_name="bandits")
