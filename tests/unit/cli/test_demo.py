"""``metarouter demo`` writes what it promises."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import run


def test_the_demo_writes_what_it_promises_and_its_router_routes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metarouter.cli import _demo_run

    for name, small in (("N_QUERIES", 300), ("N_NEW", 600), ("N_TEST", 60), ("N_GOLD", (40,))):
        monkeypatch.setattr(_demo_run, name, small)
    monkeypatch.setattr(_demo_run, "N_GOLD_OF_FIT", 60)
    code, said, error = run("demo", "--out", tmp_path, "--rounds", 2, "--n-jobs", 1)
    assert code == 0, error
    for expected in ("true", "s.e.", "RMSE", "One fit cannot show", "What to try next"):
        assert expected in said
    for name in ("report.md", "areas.csv", "efficiency_gain.png", "router.skops"):
        assert (tmp_path / name).stat().st_size > 0
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "below the best" in report
    assert "## Words" in report
    code, _, error = run(
        "route", tmp_path / "router.skops", tmp_path / "new_queries.csv",
        "--out", tmp_path / "routed.csv", "--max-share", 0.3,
    )  # fmt: skip
    assert code == 0, error
