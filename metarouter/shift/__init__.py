"""Delta-hat: one file per learner of the label-source effect."""

from metarouter.shift.base import ShiftLearner
from metarouter.shift.constant_shift import ConstantShift
from metarouter.shift.dr_learner import DRLearner
from metarouter.shift.econml_shift import EconMLShift
from metarouter.shift.ep_learner import EPLearner
from metarouter.shift.known_shift import KnownShift
from metarouter.shift.r_learner import RLearner
from metarouter.shift.zero_shift import ZeroShift

__all__ = [
    "ConstantShift",
    "DRLearner",
    "EPLearner",
    "EconMLShift",
    "KnownShift",
    "RLearner",
    "ShiftLearner",
    "ZeroShift",
]
