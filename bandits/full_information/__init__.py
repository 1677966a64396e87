"""Routers that learn from the outcomes of all models: what learning from one is measured against.

No router in use sees them, since it calls one model per query.
"""

from __future__ import annotations

from bandits.full_information.base import FullInformationRouter
from bandits.full_information.by_size import Largest, Smallest
from bandits.full_information.graph_router import GraphRouter
from bandits.full_information.regression_router import RegressionRouter
from bandits.full_information.router_dc import RouterDC

__all__ = [
    "FullInformationRouter",
    "GraphRouter",
    "Largest",
    "RegressionRouter",
    "RouterDC",
    "Smallest",
]
