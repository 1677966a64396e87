"""Errors that a user can mend; each carries one sentence saying what, where and how."""

from __future__ import annotations


class MetaRouterError(ValueError):
    """Base of every mistake that a user can mend.

    The command line prints the message on one line and leaves with exit code 2.

    Parameters
    ----------
    message : str
    parameter : str, optional
        The parameter or argument that is not what it may be, with whose name the message begins;
        the command line puts the option of that name in its place.
    """

    def __init__(self, *message: object, parameter: str | None = None) -> None:
        super().__init__(*message)
        self.parameter = parameter


class DataError(MetaRouterError):
    """Something is wrong with a table, its labels, or the folder it should be read from."""


class RouterFileError(MetaRouterError):
    """A saved router is truncated, foreign, of another version, or not to be trusted."""


class BudgetError(MetaRouterError):
    """A budget cannot be met, or does not say what it should."""
