"""Estimates beside a known truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from metarouter.evaluation import compare_routers
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.columns import FloatArray

if TYPE_CHECKING:
    import pandas as pd

    from metarouter.datasets import LabelledQueries


TRUE_GAIN = "true psi"


@validated()
def truth_frame(models: Mapping[str, Any], queries: LabelledQueries) -> pd.DataFrame:
    """Compare Delta-hat and psi-hat of fitted routers with Delta and psi.

    Parameters
    ----------
    models : dict of str to MetaRouter or AdaptiveMetaRouter
        Fitted.
    queries : LabelledQueries
        Simulated queries with `truth`, that no model was fitted on.

    Returns
    -------
    DataFrame
        One row per router and one for the true psi. ``shift_correlation`` and ``shift_rmse``
        compare Delta-hat with Delta in units of the preference labels, NaN where no shift (or a
        constant one) is learned; ``gain_correlation`` and ``gain_rmse`` compare psi-hat with psi
        in units of the gold labels. ``area`` is the area under the efficiency gain when the true
        psi is collected, ``below_truth`` how much it lacks of routing by the true psi; their
        standard errors are over new test queries, with the fitted routers held fixed.

    Raises
    ------
    DataError
        If the queries do not know their truth.
    """
    if queries.truth is None:
        raise DataError(
            f"{queries.name} has no truth to compare with: give queries made by a generator."
        )
    import pandas as pd

    psi, delta = queries.truth.gold_psi, queries.truth.delta
    unknown = np.full(psi.size, np.nan)
    gains = {name: model.predict(queries.X) for name, model in models.items()} | {TRUE_GAIN: psi}
    shifts = {
        name: model.shift_.predict(queries.X)
        for name, model in models.items()
        if getattr(model, "shift_", None) is not None
    }
    compared = compare_routers(psi, gains, reference=TRUE_GAIN)
    rows = [
        {
            "router": name,
            **_agreement("shift", shifts.get(name, unknown), delta),
            **_agreement("gain", gain, psi),
        }
        for name, gain in gains.items()
    ]
    return pd.DataFrame(rows).assign(
        area=compared.area,
        area_se=compared.area_se,
        below_truth=0.0 - compared.difference,
        below_truth_se=compared.difference_se,
    )


def _agreement(what: str, estimate: FloatArray, truth: FloatArray) -> dict[str, float]:
    varies = min(np.ptp(estimate), np.ptp(truth)) > 0
    return {
        f"{what}_correlation": float(np.corrcoef(estimate, truth)[0, 1]) if varies else np.nan,
        f"{what}_rmse": float(np.sqrt(np.mean((estimate - truth) ** 2))),
    }
