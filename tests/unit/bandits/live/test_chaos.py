"""Threads, kills, arms that come and go: every outcome is learned once and none is lost."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.live_chaos import Chaos, judged


def played(place, uptimes, rest):
    chaos = Chaos(place, pause=0.001)
    for uptime in uptimes:
        chaos.live_and_die(uptime)
    return judged(chaos, chaos.live_to_the_end(rest))


def require_nothing_lost(verdict, n_kills):
    assert verdict.faults() == []
    assert verdict.counts.accepted > 50
    assert verdict.seen["kills"] == n_kills
    assert {"accepted", "duplicate"} <= verdict.memory.receipts.keys()


@pytest.fixture(scope="module")
def verdict(tmp_path_factory):
    """One kill, since a process takes seconds to start; minutes are a matter for the benchmark."""
    return played(tmp_path_factory.mktemp("chaos"), (0.4,), 0.6)


def test_nothing_is_lost_or_doubled_and_the_posterior_is_what_it_must_be(verdict):
    require_nothing_lost(verdict, 1)


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_by_kills_at_bad_moments(tmp_path):
    require_nothing_lost(played(tmp_path, (0.5, 0.2, 0.6), 1.0), 3)


class TestWitnesses:
    """A check that cannot fail is none: what was tampered with is seen."""

    def test_a_lost_outcome_is_seen(self, verdict):
        number = max(verdict.journals.told)
        told = verdict.journals.told.pop(number)
        assert "outcomes were lost" in verdict.faults()
        verdict.journals.told[number] = told

    def test_a_doubled_outcome_is_seen(self, verdict):
        number = max(verdict.journals.told)
        verdict.journals.tell(verdict.journals.told[number])
        assert f"decision {number} was learned twice" in verdict.faults()
        verdict.journals.faults.clear()

    def test_an_outcome_that_is_wrong_in_its_last_digits_is_seen(self, verdict):
        number = max(verdict.journals.told)
        told = verdict.journals.told[number]
        verdict.journals.told[number] = {**told, "quality": np.nextafter(told["quality"], 2.0)}
        assert "outcomes were learned otherwise than told" in verdict.faults()
        verdict.journals.told[number] = told

    def test_a_posterior_that_lacks_one_row_is_seen(self, verdict):
        arm = verdict.journals.from_nothing[0]
        verdict.journals.arms[arm].learn(np.full(6, 1e-3), 0.5, 0.5)
        verdict.__dict__.pop("differences")
        assert verdict.differences["the journals"] > 1e-9
        assert verdict.differences["what clients know"] < 1e-9


def test_journals_are_plain_json(verdict):
    for event in list(verdict.journals.decided.values())[:5]:
        assert json.loads(json.dumps(event)) == event
