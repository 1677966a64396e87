"""A test-bed: the worlds that routers are compared in."""

from __future__ import annotations

import numpy as np

from bandits.replay import Replay
from bandits.scenarios.arms import NewModel, WithdrawnModel
from bandits.scenarios.feedback import (
    CensoredFeedback,
    DelayedFeedback,
    MissingFeedback,
    PoisonedFeedback,
)
from bandits.scenarios.outcomes import PriceChange, QualitySwap
from bandits.scenarios.stream import Scenario, Stream
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated

__all__ = ["standard_scenarios"]


@validated()
def standard_scenarios(replay: Replay) -> dict[str, tuple[Scenario, ...]]:
    """Return worlds by name, each with one thing wrong at a time.

    Whatever happens to an arm happens to the one with the best mean quality, halfway through.

    Parameters
    ----------
    replay : Replay

    Returns
    -------
    dict of str to tuple of Scenario
        For `bandits.play.play`: ``stationary``; ``drifting``, the best and the worst arm trade
        places over a third of the rounds; ``dearer``, ten times the price (where there are costs);
        ``cold_start``, a new model; ``withdrawn``, one model less; ``sparse``, 80% of the feedback
        missing; ``delayed``, by a twentieth of the rounds; ``censored``, 90% missing of what is
        bad and 10% of what is good; ``poisoned``, 20% of the feedback says the opposite.

    Raises
    ------
    DataError
        If there are not two arms or more, all with recorded quality.

    See Also
    --------
    bandits.evaluation.ScenarioStudy : Plays routers in all of them, and restarts one from its file.

    Examples
    --------
    >>> from bandits import LinUCB, Replay
    >>> from bandits.play import play
    >>> quality = np.tile([0.2, 0.9], (200, 1))
    >>> replay = Replay(np.ones((200, 1)), quality, arms=("small", "large"))
    >>> for name, scenario in standard_scenarios(replay).items():
    ...     log = play(LinUCB(random_state=0), replay, scenario=scenario)
    ...     replay.reset()
    >>> name
    'poisoned'
    """
    stream, n_rounds = Stream.of(replay), replay.n_rounds
    recorded = (~np.isnan(stream.quality)).any(axis=0)
    if replay.n_arms < 2 or not recorded.all():
        raise DataError(
            f"The replay has {replay.n_arms} arms, of which {int(recorded.sum())} have a recorded "
            "quality; the worlds need two or more that all have."
        )
    order = np.argsort(np.nanmean(stream.quality, axis=0))
    worst, best = stream.arms[order[0]], stream.arms[order[-1]]
    half, third = n_rounds // 2, max(1, n_rounds // 3)
    worlds: dict[str, tuple[Scenario, ...]] = {
        "stationary": (),
        "drifting": (QualitySwap(best, worst, at=n_rounds // 3, over=third),),
        "dearer": (PriceChange(best, 10.0, at=half),),
        "cold_start": (NewModel(best, at=half),),
        "withdrawn": (WithdrawnModel(best, at=half),),
        "sparse": (MissingFeedback(0.8),),
        "delayed": (DelayedFeedback(n_rounds // 20),),
        "censored": (CensoredFeedback(0.9, 0.1),),
        "poisoned": (PoisonedFeedback(0.2),),
    }
    if not replay.has_cost:
        del worlds["dearer"]
    return worlds
