"""How many labels, and of which kind, a claim needs."""

from __future__ import annotations

from metarouter.inference.planning._expected_area import ExpectedArea, ForecastPoint, expected_area
from metarouter.inference.planning._plan import LabelPlan, PlanOption, as_prices, plan_labels
from metarouter.inference.planning._suggestion import (
    LabelSuggestion,
    sampling_weights,
    suggest_labels,
)
