"""Monitoring of a router after deployment."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import ArrayLike

from metarouter.exceptions import DataError
from metarouter.inference.guarantees import Constraint
from metarouter.inference.monitoring._inputs import MonitorSettings, as_batch, limits_of
from metarouter.inference.monitoring._report import MonitorReport
from metarouter.inference.monitoring._state import (
    MonitorState,
    file_digest,
    read_state,
    write_state,
)
from metarouter.utils.files import exclusive
from metarouter.utils.random import seed_of
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd


class RouterMonitor(Printed):
    """Watch a deployed router: share of queries sent, cost, gold quality, drift.

    Feed it with decisions, one by one or in batches, and look at it whenever you like. Estimates
    come with confidence sequences, each of which holds at all times at once with probability
    `level`; the chance that any alarm for drift is ever false is kept at `alarm_level`. It can be
    saved at any time and goes on, after `load`, as if it had never been stopped.

    Parameters
    ----------
    max_share : float, optional
        The largest share of queries sent to the primary model.
    max_cost : float, optional
        The largest mean cost per query.
    min_saving : float, optional
        The smallest share saved of what always calling the primary model costs.
    min_gain : float, optional
        The smallest mean gold gain over always calling the alternative, E(a r) for
        decisions a in {0, 1} and gold labels r.
    max_loss : float, optional
        The largest mean gold gain given up against always calling the primary model,
        E((1 - a) r).
    constraints : Constraint or sequence of Constraint, default=()
        The same as objects, such as those that a threshold was certified with:
        ``[max_share(0.3), min_gain(0.1)]``.
    gain_bounds, cost_bounds : pair of float, optional
        Ends that no gold label, and no cost of a query with either model, can leave; known, not
        taken from the data. Sequences for gain and loss, and for the cost per query, are then
        exact at any number of rows, whatever tail has not been seen yet.
    level : float, default=0.95
    alarm_level : float, default=0.05
    window : int, default=500
        Rows of a window: costs and quality are also read for each window by itself.
    horizon : int, default=1000
        Number of rows at which confidence sequences are tightest; they hold for any choice.
    reference : array-like of shape (m, d), optional
        Features of queries as they were before deployment, such as those that the router learned
        from: drift of the embeddings is then drift away from these.
    burn_in : int, default=200
        Without a reference, the queries of the stream that take its place.
    n_components : int, default=16
        Principal components of the features that are watched for drift.
    random_state : int, RandomState or None, default=0
        Splits ties at random.

    Raises
    ------
    MetaRouterError
        If a setting is out of its range.
    DataError
        If the reference is no table of numbers, or too small.

    Notes
    -----
    Order. Queries must come in the order in which they were answered, and gold labels in an order
    that does not depend on them: what cannot be fed in that order (a label that takes days) goes to
    `update_quality` later. All sums are the same to the bit however rows are batched, so one batch
    of n rows equals n batches of one. Estimates and confidence sequences for the share and for
    costs do not depend on the order of rows (up to rounding). Alarms do, by their nature, and so
    do debiased scores, by how well gold labels could be predicted at the time.

    What is covered. The confidence sequence for the share is exact, and covers the mean so far of
    chances that may change. Those for costs and quality are asymptotic, and appear from 200 queries
    with costs, and from 20 gold labels of the answering model in question, on, but not while a few
    rare and large values decide (skewness of the mean above 0.45). A tail of which nothing has come
    yet cannot be seen: where gains of a rare kind may be large, give `gain_bounds`; sequences are
    then exact. Alarms are exact at any number of rows, whatever they watch, as long as rows are
    exchangeable: independent and from one distribution, say. Queries that come in runs (a
    customer's many at once, nights and days) are not, and may be reported as the drift that they
    are.

    Memory. Alarms keep 8 bytes per row and score (18 of embeddings, by default).

    References
    ----------
    Meta-Router, appendix A.1: what to monitor. Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas
    (2024), asymptotic confidence sequences. Angelopoulos, Bates, Fannjiang, Jordan & Zrnic (2023),
    prediction-powered inference. Vovk et al. (2021), conformal test martingales.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> monitor = RouterMonitor(max_share=0.5)
    >>> gain = rng.normal(0.1, 1.0, 2000)               # predicted by the router
    >>> drawn = rng.random(2000) < 0.1                  # the gold trickle: one in ten
    >>> gold = np.where(drawn, gain + rng.normal(0, 1.0, 2000), np.nan)
    >>> monitor.update(gain > 0.8, cost_primary=1.0, cost_alternative=0.1, prediction=gain,
    ...                gold=gold, gold_probability=0.1).report().verdict
    <Verdict.PASS: 'PASS'>
    """

    def __init__(
        self,
        *,
        max_share: float | None = None,
        max_cost: float | None = None,
        min_saving: float | None = None,
        min_gain: float | None = None,
        max_loss: float | None = None,
        constraints: Constraint | Iterable[Constraint] = (),
        gain_bounds: tuple[float, float] | None = None,
        cost_bounds: tuple[float, float] | None = None,
        level: float = 0.95,
        alarm_level: float = 0.05,
        window: int = 500,
        horizon: int = 1000,
        reference: Any = None,
        burn_in: int = 200,
        n_components: int = 16,
        random_state: Any = 0,
    ) -> None:
        named = {
            "max_share": max_share,
            "max_cost": max_cost,
            "min_saving": min_saving,
            "min_gain": min_gain,
            "max_loss": max_loss,
        }
        settings = MonitorSettings(
            **limits_of(constraints, named),
            level=level,
            alarm_level=alarm_level,
            window=window,
            horizon=horizon,
            burn_in=burn_in,
            n_components=n_components,
            seed=seed_of(random_state),
            gain_bounds=gain_bounds,
            cost_bounds=cost_bounds,
        )
        state = MonitorState.empty(settings)
        self._state = state if reference is None else state.referring_to(reference)

    @property
    def settings(self) -> MonitorSettings:
        """Settings of the monitor, fixed at its start."""
        return self._state.settings

    @property
    def batches(self) -> tuple[str, ...]:
        """Ids of the batches that were taken in, where they were given."""
        return self._state.batches

    def update(
        self,
        routed_to_primary: ArrayLike,
        *,
        cost_primary: ArrayLike | None = None,
        cost_alternative: ArrayLike | None = None,
        features: Any = None,
        prediction: ArrayLike | None = None,
        gold: ArrayLike | None = None,
        gold_probability: ArrayLike | None = None,
        batch_id: str | None = None,
    ) -> Self:
        """Take in routed queries, in the order in which they came.

        Parameters
        ----------
        routed_to_primary : array-like of bool, shape (n,)
            Whether each query was sent to the primary model.
        cost_primary, cost_alternative : float or array-like of shape (n,), optional
            What each query costs, or would have cost, with either model.
        features : array-like of shape (n, d), optional
        prediction : array-like of shape (n,), optional
            A cheap label or psi-hat, NaN where there is none. Better predictions make intervals
            for quality shorter, and wrong ones do not make them wrong. They are watched for drift.
        gold : array-like of shape (n,), optional
            Gold labels (gain of the primary model's answer), NaN for queries that were not drawn.
        gold_probability : float or array-like of shape (n,)
            Chance with which each query was drawn for a gold label. Needed with `gold`.
        batch_id : str, optional
            A batch with an id that was taken in before is refused.

        Returns
        -------
        RouterMonitor
            Itself.

        Raises
        ------
        DataError
            If something is wrong with the batch. The monitor is then as it was.
        """
        batch = as_batch(
            routed_to_primary, cost_primary, cost_alternative, prediction, gold, gold_probability
        )
        self._state = self._state.after(batch, features, batch_id)
        return self

    def update_quality(
        self,
        routed_to_primary: ArrayLike,
        gold: ArrayLike,
        *,
        gold_probability: ArrayLike,
        prediction: ArrayLike | None = None,
    ) -> Self:
        """Take in quality alone, of queries whose decisions were fed without it.

        Parameters
        ----------
        routed_to_primary : array-like of bool, shape (n,)
        gold : array-like of shape (n,)
            NaN for queries that were not drawn, which belong here too.
        gold_probability : float or array-like of shape (n,)
        prediction : array-like of shape (n,), optional

        Returns
        -------
        RouterMonitor
            Itself.

        Raises
        ------
        DataError
            If something is wrong with the batch. The monitor is then as it was.
        """
        batch = as_batch(routed_to_primary, None, None, prediction, gold, gold_probability)
        self._state = self._state.after_quality(batch)
        return self

    def report(self) -> MonitorReport:
        """Return what is known now."""
        return self._state.report()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one file, whole or not at all.

        Parameters
        ----------
        path : str or path-like
            Conventionally ``*.npz``: arrays and plain values, no pickle.

        Raises
        ------
        DataError
            If somebody else has written the file since this monitor was loaded from it or saved
            to it: what they took in would be lost.
        """
        place = os.path.realpath(path)
        lock = os.path.join(os.path.dirname(place), f".{os.path.basename(place)}.saving")
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with exclusive(lock, f"{path} is being written by another monitor; save again."):
            known, now = getattr(self, "_files", {}), file_digest(place)
            if now is not None and known.get(place, now) != now:
                raise DataError(
                    f"{path} was written by another monitor since this one was loaded: load it "
                    "again and repeat the update, or save to another file."
                )
            write_state(self._state, path)
            self._files = {**known, place: file_digest(place)}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RouterMonitor:
        """Go on from a file that `save` wrote.

        Raises
        ------
        DataError
            If the file is not there, truncated, or no monitor of this version.
        """
        monitor = cls.__new__(cls)
        digest = file_digest(path)
        monitor._state = read_state(path)
        monitor._files = {os.path.realpath(path): digest}
        return monitor

    def to_frame(self) -> pd.DataFrame:
        """Return one row per quantity and alarm (see `MonitorReport.to_frame`)."""
        return self.report().to_frame()

    def plot(self, ax: Any = None, *, quantity: str = "share") -> Any:
        """Draw how a quantity went (see `MonitorReport.plot`)."""
        return self.report().plot(ax, quantity=quantity)

    def summary(self) -> str:
        """Return `report` as text."""
        return self.report().summary()
