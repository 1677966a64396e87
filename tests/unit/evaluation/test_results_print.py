"""Every result of an evaluation is a frame, a text, a table and a picture."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from metarouter.evaluation import (
    clustered_means,
    compare_routers,
    cost_quality_curve,
    efficiency_gain_curve,
    performance_gap_curve,
)
from metarouter.inference import HeldOutPredictions

_RNG = np.random.default_rng(0)
_GAIN, _SCORE = _RNG.normal(size=(2, 80))
_WEAK = _RNG.uniform(0, 1, 80)


def _results() -> dict[str, Any]:
    usage = np.linspace(0, 1, 5)
    sent = _SCORE[:, None] > np.quantile(_SCORE, 1 - usage)[None, :]
    return {
        "curve": efficiency_gain_curve(_GAIN, _SCORE),
        "comparison": compare_routers(_GAIN, {"pooled": _SCORE, "r_learner": _GAIN}),
        "gap": performance_gap_curve(_WEAK + 0.5 + 0.1 * _GAIN, _WEAK, _SCORE),
        "means": clustered_means(np.column_stack([_GAIN, _SCORE])),
        "cost": cost_quality_curve(sent.astype(float), _WEAK[:, None] + sent * 0.3),
        "held out": HeldOutPredictions(_GAIN, _SCORE, np.arange(80) % 3 - 1, "forward"),
    }


@pytest.mark.parametrize("name", list(_results()))
def test_every_result_has_all_five_ways(name: str) -> None:
    mpl.use("Agg")
    result = _results()[name]
    frame = result.to_frame()
    assert result.summary()
    table, latex = result.to_markdown().splitlines(), result.to_latex().splitlines()
    assert table[0] == f"| {' | '.join(frame.columns)} |"
    assert 2 < len(table) <= 25
    assert latex[0].startswith(r"\begin{tabular}")
    ax = result.plot()
    drawn = getattr(ax, "ax_", ax)
    assert drawn.get_xlabel()
