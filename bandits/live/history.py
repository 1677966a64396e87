"""The journals of a live router, as a log for evaluation off policy."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from bandits._caps import caps_of, check_caps
from bandits._logs import Logs
from bandits.live._events import (
    ArmAdded,
    DecisionMade,
    DecisionPending,
    FeedbackAccepted,
    JournalOpened,
)
from bandits.live._journal import JournalReader
from bandits.live._store import journals
from bandits.off_policy import LoggedFeedback
from metarouter.exceptions import RouterFileError
from metarouter.routing.preference_reward import reward_range
from metarouter.utils.arguments import validated

__all__ = ["read_history"]


@validated(cost_cap="no_validation", latency_cap="no_validation")  # the router checks them
def read_history(
    folder: str | os.PathLike[str],
    *,
    cost_cap: float | None = None,
    latency_cap: float | None = None,
) -> LoggedFeedback:
    """Read all decisions whose feedback was accepted, from the journals of a live router.

    It may be in use meanwhile. Rows stand in the order of the decisions. Decisions without feedback
    are missing: where feedback depends on the outcome, the log is a selected one.

    Parameters
    ----------
    folder : str or path-like
    cost_cap : float, optional
        The cost that counts as 1; by default the largest in the log.
    latency_cap : float, optional
        The same for latencies.

    Returns
    -------
    LoggedFeedback
        Rewards are those of the preference that each decision was made with. It is marked as
        adaptive, since the router learned from these very rows.

    Raises
    ------
    RouterFileError
        If the folder holds no live router, no feedback, or a damaged journal.
    DataError
        If a cap is no number above 0.
    """
    check_caps(cost_cap, latency_cap)
    decided: dict[int, DecisionMade | DecisionPending] = {}
    feedback: dict[int, FeedbackAccepted] = {}
    arms: dict[object, None] = {}  # in the order in which they came
    before: JournalReader | None = None
    for _, path in journals(Path(folder)):
        events = JournalReader(path, repair=False)
        for event in events:
            match event:
                case JournalOpened():
                    _require_next(event, path, before)
                    arms.update(dict.fromkeys(event.arms))
                case ArmAdded():
                    arms[event.arm] = None
                case DecisionMade() | DecisionPending():
                    decided.setdefault(event.id, event)
                case FeedbackAccepted():
                    feedback[event.id] = event
        before = events
    if not feedback:
        raise RouterFileError(f"{folder} holds no live router, or one without any feedback yet.")
    unknown = sorted(set(feedback) - set(decided))
    if unknown:
        raise RouterFileError(
            f"{folder} holds feedback for {len(unknown)} unknown decisions (first: "
            f"{unknown[0]}): a journal is damaged or missing, go back to a copy of the folder."
        )
    rows = [(decided[number], feedback[number]) for number in sorted(feedback)]
    n_outcomes = sum(value is not None for value in rows[0][1][1:])
    outcomes = np.array([[f[1 : 1 + n_outcomes]] for _, f in rows], dtype=np.float64)
    chosen = Logs(outcomes, ["chosen"])  # one arm, the one that was called
    preference = np.stack([d.preference for d, _ in rows])
    return LoggedFeedback(
        np.stack([d.x for d, _ in rows]),
        [d.arm for d, _ in rows],
        np.array([d.propensity for d, _ in rows]),
        chosen.reward(preference, caps_of((cost_cap, latency_cap), outcomes))[:, 0],
        arms=arms,
        reward_range=reward_range(chosen.quality[:, 0], preference),
        adaptive=True,
    )


def _require_next(opened: JournalOpened, path: Path, before: JournalReader | None) -> None:
    """Refuse a journal that does not go on where the one before it ends."""
    if before is not None and opened.after != before.link:
        raise RouterFileError(
            f"{path} does not go on where {before.path.name} ends: a journal is damaged or "
            "missing, go back to a copy of the folder."
        )
