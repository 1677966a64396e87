"""Splits hold back a share of every task, and never part queries of one text."""

from __future__ import annotations

import numpy as np

from bandits.evaluation._split import numbered_texts, split_by_task

TASK = np.repeat(np.array(["math", "law", "code"], dtype=object), (100, 50, 30))
TEXT = np.array([f"{k % 90}" if k < 100 else f"{k}" for k in range(180)], dtype=object)


def split(seed=0, text=TEXT):
    rng = np.random.default_rng(seed)
    return split_by_task(TASK, numbered_texts(text), ("math", "law"), ("code",), 0.2, rng)


def test_every_learned_row_is_on_one_side_and_others_on_neither():
    found = split()
    learned = np.sort(np.concatenate([found.train, found.in_distribution]))
    assert learned.tolist() == list(range(150))
    assert found.out_of_distribution.tolist() == list(range(150, 180))


def test_a_share_of_the_texts_of_every_task_is_held_back():
    found = split()
    held = {task: set(TEXT[found.in_distribution][TASK[found.in_distribution] == task])
            for task in ("math", "law")}  # fmt: skip
    assert len(held["math"]) == 18
    assert len(held["law"]) == 10


def test_queries_of_one_text_stay_together():
    for seed in range(5):
        found = split(seed)
        assert not set(TEXT[found.train]) & set(TEXT[found.in_distribution])


def test_a_text_that_was_learned_is_not_called_unseen():
    text = TEXT.copy()
    text[150] = "3"
    assert 150 not in split(text=text).out_of_distribution


def test_seeds_draw_other_splits_and_orders_of_play():
    one, again, two = split(0), split(0), split(1)
    assert (one.train == again.train).all()
    assert set(one.in_distribution) != set(two.in_distribution)
    assert (np.diff(one.train) < 0).any()
