from __future__ import annotations

import pandas as pd
import pytest

pytest.importorskip("torch")

from paper_figures import dpo_loop


def test_the_loop_is_played_tabled_and_drawn(tmp_path):
    dpo_loop.main(["--out", str(tmp_path), "--seeds", "1", "--steps", "2", "--offline", "200"])
    rates = pd.read_csv(tmp_path / "win_rates.csv")
    at_end = rates[rates["step"] == 2].set_index("router")["win_rate"]
    singles = at_end[[f"single {k}" for k in range(4)]]
    assert at_end["best single"] == singles.max()
    assert at_end["median single"] == pytest.approx(singles.median())
    assert (rates.loc[rates["step"] == 0, "win_rate"] == 0.5).all()
    assert "routed minus this" in (tmp_path / "dpo_loop.md").read_text()
    assert (tmp_path / "dpo_loop.png").stat().st_size > 5000
