"""How good a policy is, from the logs of another one."""

from __future__ import annotations

from bandits.off_policy._outcome_model import fitted_rewards
from bandits.off_policy.comparison import compare_policies
from bandits.off_policy.confidence_sequence import ValueSequence
from bandits.off_policy.duels import LoggedDuels, win_rate
from bandits.off_policy.logged_feedback import LoggedFeedback
from bandits.off_policy.promotion import Promotion, promotion
from bandits.off_policy.result import FewEffectiveRowsWarning, OffPolicyResult
from bandits.off_policy.value import off_policy_value

__all__ = [
    "FewEffectiveRowsWarning",
    "LoggedDuels",
    "LoggedFeedback",
    "OffPolicyResult",
    "Promotion",
    "ValueSequence",
    "compare_policies",
    "fitted_rewards",
    "off_policy_value",
    "promotion",
    "win_rate",
]
