from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metarouter import MultiModelMetaRouter
from metarouter.datasets import PairedComparisons, make_model_comparisons
from metarouter.exceptions import DataError
from metarouter.inference import ModelLeaderboard, model_leaderboard
from metarouter.shift import ZeroShift


@pytest.fixture(scope="module")
def data() -> PairedComparisons:
    made = make_model_comparisons(400, 1600, 4, 3, random_state=1)
    topic = np.where(np.arange(made.n_queries) % 2 == 0, "law", "code")
    return replace(made, domain=topic)


@pytest.fixture(scope="module")
def board(data: PairedComparisons) -> ModelLeaderboard:
    return model_leaderboard(data, random_state=0)


def truth(data: PairedComparisons, rows: np.ndarray) -> np.ndarray:
    mean = data.scores[rows].mean(axis=0)
    return mean - mean.mean()


def test_scores_lie_near_the_truth_over_all_queries_and_per_topic(
    data: PairedComparisons, board: ModelLeaderboard
) -> None:
    assert board.topics == ("all queries", "code", "law")
    members = [np.ones(data.n_queries, dtype=bool), data.domain == "code", data.domain == "law"]
    for row, inside in enumerate(members):
        z = (board.score[row] - truth(data, inside)) / board.se[row]
        assert np.abs(z).max() < 3.5
        assert board.score[row].sum() == pytest.approx(0.0, abs=1e-9)
    assert board.n_gold.tolist() == [400, 200, 200]


def test_a_biased_judge_that_is_pooled_does_not_shift_the_board(data: PairedComparisons) -> None:
    pooled = MultiModelMetaRouter(shift=ZeroShift())
    fitted = model_leaderboard(data, pooled, random_state=0)
    error = fitted.score[0] - truth(data, np.ones(data.n_queries, dtype=bool))
    assert np.abs(error / fitted.se[0]).max() < 3.5
    rows = data.training_rows()
    naive = pooled.fit(rows.X, rows.pairs, rows.y, is_gold=rows.is_gold).scores(data.X).mean(axis=0)
    assert np.abs(error).max() < 0.5 * np.abs(naive - truth(data, np.arange(data.n_queries))).max()


def test_without_predictions_the_board_is_least_squares_of_gold_labels() -> None:
    data = make_model_comparisons(200, 0, 3, 2, random_state=0)
    constant = replace(data, X=np.zeros_like(data.X))
    found = model_leaderboard(constant, random_state=0)
    contrast = (data.first[:, None] == np.array(data.models)).astype(float)
    contrast -= data.second[:, None] == np.array(data.models)
    expected = np.linalg.lstsq(contrast, data.y, rcond=None)[0]
    np.testing.assert_allclose(found.score[0], expected, atol=0.01)


def test_ranks_enclose_the_place_in_the_table(board: ModelLeaderboard) -> None:
    frame = board.to_frame()
    for _, part in frame.groupby("topic"):
        place = np.arange(1, 5)
        assert (part.rank_low <= place).all()
        assert (part.rank_high >= place).all()
        assert part.score.is_monotonic_decreasing
    assert (frame.simultaneous_low <= frame.ci_low).all()


def test_a_topic_with_too_few_gold_labels_is_left_open(data: PairedComparisons) -> None:
    rare = np.where(np.arange(data.n_queries) < 5, "rare", "other")
    found = model_leaderboard(replace(data, domain=rare), random_state=0)
    assert np.isnan(found.score[found.topics.index("rare")]).all()
    assert "rare" in str(found)


def test_weights_bring_back_queries_that_were_labelled_more_often() -> None:
    rng = np.random.default_rng(0)
    full = make_model_comparisons(3000, 0, 3, 1, noise=0.3, random_state=0)
    probability = np.where(full.X[:, 0] > 0, 0.9, 0.1)
    kept = rng.random(3000) < probability
    part = replace(
        full,
        **{name: getattr(full, name)[kept] for name in ("query", "first", "second", "y")},
        is_gold=full.is_gold[kept],
    )
    # Predictions that know nothing: all rests on the correction.
    bare = {"X": np.zeros((3000, 1))}
    plain = model_leaderboard(replace(part, **bare), random_state=0)
    weighed = model_leaderboard(replace(part, **bare, weight=1 / probability[kept]), random_state=0)
    target = truth(full, np.ones(3000, dtype=bool))
    assert np.abs((weighed.score[0] - target) / weighed.se[0]).max() < 3.5
    assert np.abs((plain.score[0] - target) / plain.se[0]).max() > 3.5


def test_too_few_gold_comparisons_are_refused() -> None:
    with pytest.raises(DataError, match="3 gold comparisons are too few"):
        model_leaderboard(make_model_comparisons(3, 200, 3, 2, random_state=0), random_state=0)
    with pytest.raises(DataError, match="give a PairedComparisons"):
        model_leaderboard([])


def test_an_unknown_topic_is_not_drawn(board: ModelLeaderboard) -> None:
    with pytest.raises(DataError, match="no topic 'sport'"):
        board.plot(topic="sport")
    assert board.plot(topic="law").get_xlabel().startswith("mean score, law")
