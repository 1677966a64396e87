from __future__ import annotations

import numpy as np
import pytest
from oracles import monitoring as oracle

from metarouter.inference.monitoring._drift import (
    JUMPS,
    SLOPES,
    DriftAlarm,
    EmbeddingMap,
    online_p_values,
    simple_jumper,
    starting_capital,
)


def at_start(n_scores=1, past=None):
    past = np.empty((0, n_scores)) if past is None else past
    return DriftAlarm.at_start(past, level=0.05, every=50, seed=0)


def test_p_values_are_ranks_among_all_so_far():
    rng = np.random.default_rng(0)
    scores, ties = np.round(rng.normal(size=200), 1), rng.random(200)
    expected = oracle.p_values(scores, ties)
    assert online_p_values(np.empty(0), scores, ties) == pytest.approx(expected, abs=1e-15)
    later = online_p_values(np.sort(scores[:77]), scores[77:], ties[77:])
    assert later == pytest.approx(expected[77:], abs=1e-15)


def test_capital_is_that_of_the_simple_jumper():
    p = np.random.default_rng(1).beta(0.7, 1.2, size=60)
    _, logs, log_mean = simple_jumper(starting_capital(1), np.zeros((1, len(JUMPS))), p[:, None])
    jumpers = np.array([oracle.jumper(p, jump, SLOPES) for jump in JUMPS])
    assert np.exp(logs[0]) == pytest.approx(jumpers[:, -1], rel=1e-12)
    assert np.exp(log_mean[:, 0]) == pytest.approx(jumpers.mean(axis=0), rel=1e-12)


def test_no_bet_can_be_lost_altogether():
    assert (1 + np.outer(SLOPES, [-0.5, 0.5]) > 0).all()


def test_alarm_does_not_depend_on_batches():
    scores = np.random.default_rng(2).normal(size=(300, 3))
    whole, parts = at_start(3).after(scores), at_start(3)
    for start, stop in [(0, 1), (1, 64), (64, 64), (64, 300)]:
        parts = parts.after(scores[start:stop])
    assert parts.evidence == pytest.approx(whole.evidence, abs=1e-12)
    assert (parts.n, parts.path) == (whole.n, whole.path)
    assert parts.lowest_at.tolist() == whole.lowest_at.tolist()


def test_a_shift_raises_the_alarm_and_says_when_it_began():
    rng = np.random.default_rng(3)
    scores = np.concatenate([rng.normal(size=500), rng.normal(1.0, 1.0, 200)])[:, None]
    alarm = at_start().after(scores)
    assert 500 < alarm.raised_at < 600
    assert abs(alarm.onset - 500) < 30
    assert alarm.p_value < 0.05


def test_a_reference_lets_drift_be_seen_from_the_first_row_on():
    rng = np.random.default_rng(4)
    shifted = rng.normal(1.0, 1.0, size=(100, 1))
    assert at_start(past=rng.normal(size=(300, 1))).after(shifted).raised_at < 60
    assert at_start().after(shifted).raised_at is None


def evidence_of_one_score(scores, ties):
    p = oracle.p_values(scores, ties)
    return np.log(np.mean([oracle.jumper(p, jump, SLOPES)[-1] for jump in JUMPS]))


def test_evidence_is_the_largest_capital_over_the_number_of_scores():
    rng = np.random.default_rng(7)
    scores, ties = rng.normal(size=(80, 3)), np.random.default_rng(0).random((80, 3))
    scores[40:, 1] += 1.0
    each = [evidence_of_one_score(*column) for column in zip(scores.T, ties.T, strict=True)]
    expected = pytest.approx(max(each) - np.log(3), abs=1e-12)
    assert at_start(3).after(scores).evidence == expected
    assert at_start(3).path == (-np.log(3),)


def test_the_onset_is_that_of_the_score_that_raised_the_alarm():
    rng = np.random.default_rng(8)
    scores = rng.normal(size=(1200, 12))
    scores[1000:, 5] += 1.0
    alarm = at_start(12).after(scores)
    assert 1000 < alarm.raised_at < 1150
    assert abs(alarm.onset - 1000) < 15


def test_a_score_that_never_varies_is_no_evidence():
    alarm = at_start(2).after(np.ones((400, 2)))
    assert alarm.evidence == pytest.approx(-np.log(2))
    assert alarm.largest == alarm.evidence


def test_a_score_that_varies_late_was_bet_on_from_its_first_row():
    """Else the capital would be no martingale: with this score its mean would be 1.23, not 1."""
    scores = np.zeros(30)
    scores[11] = 1.0
    expected = evidence_of_one_score(scores, np.random.default_rng(0).random((30, 1))[:, 0])
    assert at_start().after(scores[:, None]).evidence == pytest.approx(expected, abs=1e-12)


def test_a_price_that_was_constant_and_changes_raises_the_alarm():
    prices = np.repeat([1.0, 1.1], [500, 200])[:, None]
    assert 500 < at_start().after(prices).raised_at < 550


def test_embedding_scores_do_not_depend_on_the_other_rows():
    X = np.random.default_rng(5).normal(size=(300, 30))
    learned = EmbeddingMap.learn(X[:100], 8)
    whole = learned.scores(X)
    assert np.array_equal(np.concatenate([learned.scores(row[None]) for row in X]), whole)
    assert whole.shape == (300, 8 + 2)


def test_embeddings_of_few_dimensions_leave_nothing_beyond_the_plane():
    X = np.random.default_rng(6).normal(size=(300, 3))
    learned = EmbeddingMap.learn(np.column_stack([X, np.ones(300)]), 8)
    scores = learned.scores(np.column_stack([X, np.ones(300)]))
    assert scores.shape == (300, 3 + 2)
    assert not scores[:, -1].any()
