from __future__ import annotations

import pandas as pd

from paper_figures import barp_table7


def test_published_and_own_rows_stand_side_by_side():
    names = ["linucb", "lints", "epsilon_greedy", "full_information", "best_constant", "oracle"]
    ours = pd.DataFrame(
        {"score": 0.75, "se_score": 0.01, "cost": 3e-4, "se_cost": 1e-5}, index=[*names, "random"]
    )
    table = barp_table7.side_by_side(ours)
    assert table["router"].tolist() == [
        "LinTS", "LinUCB", "ε-greedy", "REINFORCE (BaRP)", "ridge on all outcomes",
        "best constant model", "oracle",
    ]  # fmt: skip
    assert table["score, published"].tolist()[:4] == [0.6430, 0.6166, 0.6556, 0.7432]
    assert (
        table["score, here"].tolist() == ["0.7500 (0.0100)"] * 3 + ["–"] + ["0.7500 (0.0100)"] * 3
    )
    assert table["cost, here"].iloc[0] == "0.3000 (0.0100)"
