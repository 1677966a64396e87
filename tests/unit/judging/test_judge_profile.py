from __future__ import annotations

import numpy as np
import pytest

from metarouter.exceptions import DataError
from metarouter.judging import Verdicts, draw_weights, profile_judge


def judge(rng: np.random.Generator, n: int = 60, draws: int = 2) -> Verdicts:
    return Verdicts(*(rng.choice([-1.0, 0.0, 1.0], (n, draws)) for _ in range(2)))


def test_regressions_equal_those_of_statsmodels_with_clustered_errors() -> None:
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(0)
    verdicts, gold, length = judge(rng), rng.normal(size=60), rng.normal(size=60)
    groups = np.arange(60) // 3
    frame = (
        profile_judge(verdicts, gold=gold, log2_length_ratio=length, groups=groups)
        .to_frame()
        .set_index("estimate")
    )
    design = sm.add_constant(np.column_stack([gold, length]))
    fit = sm.OLS(verdicts.mean, design).fit(
        cov_type="cluster", cov_kwds={"groups": groups}, use_t=True
    )
    for k, name in ((1, "gold_slope"), (2, "length_bias")):
        row = frame.loc[name]
        np.testing.assert_allclose([row["value"], row["se"]], [fit.params[k], fit.bse[k]])
        np.testing.assert_allclose([row["ci_low"], row["ci_high"]], fit.conf_int()[k])


def test_the_label_needs_both_orders() -> None:
    verdicts = Verdicts(
        np.array([[1.0, np.nan], [1.0, 1.0]]), np.array([[-1.0, 1.0], [np.nan] * 2])
    )
    np.testing.assert_array_equal(verdicts.mean, [0.5, np.nan])
    np.testing.assert_array_equal(verdicts.n_draws, [3, 2])


def test_noise_is_left_out_where_each_verdict_was_asked_once() -> None:
    frame = profile_judge(judge(np.random.default_rng(0), draws=1)).to_frame()
    assert set(frame["estimate"]) == {"position_bias", "order_consistency"}


def test_own_side_that_never_varies_says_nothing_of_self_preference() -> None:
    rng = np.random.default_rng(0)
    frame = profile_judge(judge(rng), gold=rng.normal(size=60), own_side=np.ones(60)).to_frame()
    assert "self_preference" not in set(frame["estimate"])


def test_a_judge_that_never_varies_has_no_standard_error() -> None:
    frame = profile_judge(Verdicts(np.ones((9, 2)), np.ones((9, 2)))).to_frame()
    assert frame["se"].isna().all()
    assert frame["value"].tolist() == [0.0, 1.0, 0.0]


def test_what_cannot_be_profiled_is_refused() -> None:
    nothing = np.full((3, 1), np.nan)
    with pytest.raises(DataError, match="in both orders"):
        profile_judge(Verdicts(np.ones((3, 1)), nothing))
    with pytest.raises(DataError, match="gold has shape"):
        profile_judge(Verdicts(np.ones((3, 1)), np.ones((3, 1))), gold=[1.0])
    with pytest.raises(DataError, match="groups has 2 values"):
        profile_judge(Verdicts(np.ones((3, 1)), np.ones((3, 1))), groups=[1, 2])


def test_weights_are_equal_where_draws_are() -> None:
    np.testing.assert_allclose(draw_weights(judge(np.random.default_rng(0))), 1.0)
