"""psi-hat, the threshold rule, costs, and router files."""

from metarouter.routing._comparisons import ComparisonWarning
from metarouter.routing._persistence import load_router, save_router
from metarouter.routing._pipeline import final_estimator
from metarouter.routing._tuned_threshold import TunedThreshold
from metarouter.routing._tuning import tune_threshold
from metarouter.routing.adaptive_meta_router import AdaptiveMetaRouter, Borrowing
from metarouter.routing.domain_meta_router import DomainMetaRouter
from metarouter.routing.fallback_router import FallbackRouter
from metarouter.routing.given_cost import GivenCost
from metarouter.routing.meta_router import MetaRouter
from metarouter.routing.multi_model_meta_router import MultiModelMetaRouter
from metarouter.routing.threshold_router import ThresholdRouter
from metarouter.routing.token_cost import TokenCost
from metarouter.routing.token_rates import TokenRates
from metarouter.routing.unit_cost import UnitCost

__all__ = [
    "AdaptiveMetaRouter",
    "Borrowing",
    "ComparisonWarning",
    "DomainMetaRouter",
    "FallbackRouter",
    "GivenCost",
    "MetaRouter",
    "MultiModelMetaRouter",
    "ThresholdRouter",
    "TokenCost",
    "TokenRates",
    "TunedThreshold",
    "UnitCost",
    "final_estimator",
    "load_router",
    "save_router",
    "tune_threshold",
]
