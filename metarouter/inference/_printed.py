"""Results that print as text, markdown and LaTeX."""

from __future__ import annotations

import re
import textwrap
from abc import abstractmethod

from metarouter.evaluation._summary import text_table
from metarouter.evaluation._tabular import Tabular

__all__ = ["Printed"]

_WIDTH = 96


class Printed(Tabular):
    """Base of results: a frame, and what is said above and below it.

    Subclasses give ``to_frame``, ``_title``, ``_facts`` and ``_notes``.
    """

    def summary(self) -> str:
        """Return a title, the settings, the table and its notes as text."""
        notes = [line for note in self._notes() for line in textwrap.wrap(note, _WIDTH)]
        # A number that is not known is a dash wherever it stands.
        facts = {name: re.sub(r"[+-]?\bnan\b", "–", text) for name, text in self._facts().items()}
        return text_table(self._title(), self._written(), facts=facts, notes=notes)

    def __str__(self) -> str:
        return self.summary()

    @abstractmethod
    def _title(self) -> str: ...

    @abstractmethod
    def _facts(self) -> dict[str, str]: ...

    @abstractmethod
    def _notes(self) -> tuple[str, ...]: ...
