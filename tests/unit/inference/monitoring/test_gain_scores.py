from __future__ import annotations

import numpy as np
import pytest
from oracles import monitoring as oracle

from metarouter.inference.monitoring._quantities import GainScores


def draw(n, seed=0, probability=0.3):
    rng = np.random.default_rng(seed)
    prediction = rng.normal(size=n)
    gold = 0.2 + 0.7 * prediction + 0.5 * rng.normal(size=n)
    chances = np.full(n, probability) if probability else rng.uniform(0.1, 0.9, n)
    gold = np.where(rng.random(n) < chances, gold, np.nan)
    return rng.random(n) < 0.4, prediction, gold, chances


@pytest.mark.parametrize("probability", [0.3, None])
def test_scores_are_those_of_regressions_on_earlier_rows(probability):
    primary, prediction, gold, chances = draw(250, probability=probability)
    prediction[60:70] = np.nan
    ours, _ = GainScores.fresh().score(primary, prediction, gold, chances)
    expected = oracle.gain_scores(primary, prediction, gold, chances)
    assert ours == pytest.approx(expected, abs=1e-9)


def test_scores_do_not_depend_on_batches():
    columns = draw(120)
    whole, last = GainScores.fresh().score(*columns)
    known, parts = GainScores.fresh(), []
    for start, stop in [(0, 1), (1, 2), (2, 50), (50, 50), (50, 120)]:
        part, known = known.score(*(column[start:stop] for column in columns))
        parts.append(part)
    assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(known.sums, last.sums)


def test_every_label_drawn_makes_scores_the_labels_themselves():
    primary, prediction, _, _ = draw(50)
    gold = np.random.default_rng(1).normal(size=50)
    scores, _ = GainScores.fresh().score(primary, prediction, gold, np.ones(50))
    assert scores == pytest.approx(gold, abs=1e-12)


def test_scores_are_unbiased_however_wrong_predictions_are():
    rng = np.random.default_rng(2)
    gold = rng.normal(1.0, 1.0, 40)
    means = []
    for _ in range(1000):
        drawn = np.where(rng.random(40) < 0.5, gold, np.nan)
        scores, _ = GainScores.fresh().score(
            np.ones(40, dtype=bool), -5 * gold + 3, drawn, np.full(40, 0.5)
        )
        means.append(scores.mean())
    assert abs(np.mean(means) - gold.mean()) < 3 * np.std(means) / np.sqrt(1000)


def test_good_predictions_make_scores_less_variable():
    primary, prediction, gold, chances = draw(4000, probability=0.1)
    with_them, _ = GainScores.fresh().score(primary, prediction, gold, chances)
    without, _ = GainScores.fresh().score(primary, np.full(4000, np.nan), gold, chances)
    assert with_them[500:].std() < 0.8 * without[500:].std()
