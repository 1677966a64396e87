from __future__ import annotations

import matplotlib
import numpy as np
import pytest

from bandits.off_policy import LoggedFeedback, compare_policies, off_policy_value

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def results():
    rng = np.random.default_rng(0)
    action = rng.integers(2, size=400)
    reward = (rng.random(400) < 0.4 + 0.2 * action).astype(float)
    log = LoggedFeedback(rng.normal(size=(400, 1)), action, np.full(400, 0.5), reward, range(2))
    always_1 = np.tile([0.0, 1.0], (400, 1))
    return off_policy_value(log, always_1), compare_policies(log, always_1, np.full((400, 2), 0.5))


def test_results_are_written_as_text_markdown_and_latex(results):
    value, difference = results
    assert f"{value.value:.4f}" in value.summary()
    assert "mean reward of the logs" in value.summary()
    assert value.to_markdown().startswith("| quantity | estimate | se | ci_low | ci_high |")
    assert r"empirical\_likelihood" in value.to_latex()
    assert "Difference of two policies" in difference.summary()
    assert difference.to_frame().loc[0, "quantity"] == "difference"


def test_a_frame_has_one_row_with_the_interval(results):
    frame = results[0].to_frame()
    assert len(frame) == 1
    assert frame.loc[0, "ci_low"] < frame.loc[0, "estimate"] < frame.loc[0, "ci_high"]


def test_a_plot_shows_estimate_interval_and_what_the_logs_got(results):
    for result, words in zip(results, ("mean reward of the logs", "no difference"), strict=True):
        ax = result.plot()
        labels = [text.get_text() for text in ax.get_legend().get_texts()]
        assert labels == ["95% interval", "estimate", words]
        assert result.plot(ax=ax) is ax
        matplotlib.pyplot.close(ax.figure)
