"""A picture of efficiency-gain curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from numpy.typing import ArrayLike

from metarouter.evaluation._curve import efficiency_gain_curve
from metarouter.evaluation._curve_display import CurveDisplay
from metarouter.evaluation._scores import routing_score
from metarouter.utils.columns import check_routers

__all__ = ["EfficiencyGainDisplay"]


class EfficiencyGainDisplay(CurveDisplay):
    """Efficiency gain over random routing against the share sent to the primary model.

    Use :meth:`from_estimators`, :meth:`from_predictions` or :meth:`from_curves` to make one.

    Parameters
    ----------
    curves : dict of str to curve
        Curves with ``usage`` and ``efficiency_gain``; those that also have ``se`` can be drawn
        with bands.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : dict of str to matplotlib Line2D
        One line per router, and ``random``.
    bands_ : dict of str to matplotlib collection
        Pointwise bands, where they were asked for and could be drawn.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> gain = [2.0, 1.0, -1.0, -2.0]
    >>> display = EfficiencyGainDisplay.from_predictions(
    ...     {"r_learner": [0.9, 0.4, 0.1, -0.3], "pooled": [0.1, 0.4, 0.2, 0.0]}, gain
    ... ).plot()
    >>> sorted(display.lines_)
    ['pooled', 'r_learner', 'random']
    """

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any],
        X: Any,
        gold_gain: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        grid: ArrayLike | None = None,
    ) -> Self:
        """Predict with fitted routers and compute their curves.

        Parameters
        ----------
        estimators : dict of str to fitted estimator
            Queries are sorted by ``decision_function`` where there is one, else by ``predict``.
        X : array-like of shape (n, d)
            Features of the test queries.
        gold_gain : array-like of shape (n,)
            Their gold labels.
        sample_weight : array-like of shape (n,), optional
        grid : array-like, optional
            Usage ratios to draw.

        Returns
        -------
        EfficiencyGainDisplay

        Raises
        ------
        DataError
            If the gold labels or some router's predictions are missing or infinite.
        """
        check_routers(estimators)
        predictions = {name: routing_score(model, X) for name, model in estimators.items()}
        return cls.from_predictions(predictions, gold_gain, sample_weight=sample_weight, grid=grid)

    @classmethod
    def from_predictions(
        cls,
        predictions: Mapping[str, ArrayLike],
        gold_gain: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        grid: ArrayLike | None = None,
    ) -> Self:
        """Compute the curve of every router from its scores.

        Parameters
        ----------
        predictions : dict of str to array-like of shape (n,)
            psi-hat of each router.
        gold_gain : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional
        grid : array-like, optional

        Returns
        -------
        EfficiencyGainDisplay

        Raises
        ------
        DataError
            If lengths differ or values are missing or infinite.
        """
        check_routers(predictions)
        return cls(
            curves={
                name: efficiency_gain_curve(
                    gold_gain, psi_hat, sample_weight=sample_weight, grid=grid
                )
                for name, psi_hat in predictions.items()
            }
        )
