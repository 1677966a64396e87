"""What scenarios are for: to see who copes with a world that changes."""

from __future__ import annotations

import numpy as np

from bandits import LinUCB, Replay
from bandits.play import play
from bandits.scenarios import NewModel, PriceChange, QualitySwap


class TestLearning:
    """What scenarios are for: to see who copes."""

    QUALITY = np.random.default_rng(1).random((600, 2)) < np.array([0.8, 0.3])

    def regret_after(self, start, router, scenario):
        world = Replay(np.ones((600, 1)), self.QUALITY * 1.0, arms=("old", "new"))
        log = play(router, world, scenario=scenario, random_state=0)
        return log.regret[start:].mean()

    def test_a_router_that_forgets_recovers_from_a_swap_and_one_that_does_not_is_late(self):
        swap = QualitySwap("old", "new", at=300)
        forgets, keeps = (
            self.regret_after(300, LinUCB(discount=discount, random_state=0), swap)
            for discount in (0.97, 1.0)
        )
        assert forgets < 0.8 * keeps

    def test_a_better_model_that_comes_later_is_found(self):
        world = Replay(np.ones((600, 1)), self.QUALITY[:, ::-1] * 1.0, arms=("old", "new"))
        log = play(LinUCB(random_state=0), world, scenario=NewModel("new", at=300))
        assert (log.action[400:] == "new").mean() > 0.9

    def test_a_cheaper_price_wins_those_who_care_for_costs(self):
        world = Replay(np.ones((600, 1)), np.ones((600, 2)), np.tile([0.2, 1.0], (600, 1)))
        log = play(
            LinUCB(discount=0.97, random_state=0), world, preference=(0.5, 0.5),
            scenario=PriceChange(0, 5.0, at=300),
        )  # fmt: skip
        assert (log.action[200:300] == 0).mean() > 0.9
        assert (log.action[500:] == 0).mean() < 0.7
