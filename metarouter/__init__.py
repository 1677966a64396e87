"""Route each query to a strong or a cheap language model, from trustworthy and biased labels.

The label source is treated as a treatment: the bias of the cheap labels is a conditional average
treatment effect, estimated by an R- or DR-learner, taken out of the cheap labels, and the quality
gain regressed on what remains drives a threshold router (Meta-Router, sections 2 and 3).

Names are loaded on first use, so that ``import metarouter`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from metarouter._version import __version__

if TYPE_CHECKING:
    from metarouter.fitting import FitLedger
    from metarouter.nuisance import Nuisances
    from metarouter.overlap import PropensityPolicy
    from metarouter.overlap_region import OverlapRegion
    from metarouter.routing import (
        AdaptiveMetaRouter,
        DomainMetaRouter,
        GivenCost,
        MetaRouter,
        MultiModelMetaRouter,
        ThresholdRouter,
        TokenCost,
        TokenRates,
        TunedThreshold,
        UnitCost,
        load_router,
        save_router,
        tune_threshold,
    )
    from metarouter.scaling import GainScaler
    from metarouter.shift import (
        ConstantShift,
        DRLearner,
        EconMLShift,
        EPLearner,
        KnownShift,
        RLearner,
        ZeroShift,
    )

_HOME = {
    "AdaptiveMetaRouter": "routing",
    "ConstantShift": "shift",
    "DRLearner": "shift",
    "DomainMetaRouter": "routing",
    "EPLearner": "shift",
    "EconMLShift": "shift",
    "FitLedger": "fitting",
    "GainScaler": "scaling",
    "GivenCost": "routing",
    "KnownShift": "shift",
    "MetaRouter": "routing",
    "MultiModelMetaRouter": "routing",
    "Nuisances": "nuisance",
    "OverlapRegion": "overlap_region",
    "PropensityPolicy": "overlap",
    "RLearner": "shift",
    "ThresholdRouter": "routing",
    "TokenCost": "routing",
    "TokenRates": "routing",
    "TunedThreshold": "routing",
    "UnitCost": "routing",
    "ZeroShift": "shift",
    "load_router": "routing",
    "save_router": "routing",
    "tune_threshold": "routing",
}

__all__ = [
    "AdaptiveMetaRouter",
    "ConstantShift",
    "DRLearner",
    "DomainMetaRouter",
    "EPLearner",
    "EconMLShift",
    "FitLedger",
    "GainScaler",
    "GivenCost",
    "KnownShift",
    "MetaRouter",
    "MultiModelMetaRouter",
    "Nuisances",
    "OverlapRegion",
    "PropensityPolicy",
    "RLearner",
    "ThresholdRouter",
    "TokenCost",
    "TokenRates",
    "TunedThreshold",
    "UnitCost",
    "ZeroShift",
    "__version__",
    "load_router",
    "save_router",
    "tune_threshold",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"metarouter.{_HOME[name]}"), name)
    raise AttributeError(f"module 'metarouter' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
