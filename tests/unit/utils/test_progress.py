"""Progress is shown on terminals and nowhere else."""

from __future__ import annotations

import io
import sys

import pytest

from metarouter.utils.progress import progress_bar, stages


class _Stream(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def _written(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, shown: bool = True) -> str:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", _Stream(terminal))
    with progress_bar(3, "rounds", done=1, shown=shown) as advance:
        advance()
    with progress_bar(None, "rows routed", shown=shown) as advance:
        advance(5000)
    with stages(shown) as begin:
        begin("fitting")
    return sys.stderr.getvalue()


def test_a_terminal_sees_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    said = _written(monkeypatch, terminal=True)
    for words in ("rounds", "2/3", "rows routed", "5000", "fitting"):
        assert words in said


@pytest.mark.parametrize(("terminal", "shown"), [(False, True), (True, False)])
def test_files_and_those_who_want_none_see_nothing(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, shown: bool
) -> None:
    assert _written(monkeypatch, terminal=terminal, shown=shown) == ""
