"""A monitor of a deployed router: what it keeps and takes in, and its file.

A file holds arrays, and a tree of plain values that says where they belong. Nothing in it is
executed on loading: numbers, words and arrays of numbers, put into the few frozen dataclasses that
are named here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter._version import __version__
from metarouter.exceptions import DataError
from metarouter.inference.guarantees import Constraint
from metarouter.inference.intervals import FloatArray
from metarouter.inference.monitoring._drift import DriftAlarm, EmbeddingDrift, EmbeddingMap
from metarouter.inference.monitoring._inputs import (
    N_ALARMS,
    FeatureNames,
    MonitorSettings,
    as_batch,
    as_features,
    limits_of,
)
from metarouter.inference.monitoring._quantities import (
    BlockSums,
    GainScores,
    cost_columns,
    quality_columns,
)
from metarouter.inference.monitoring._report import MonitorReport, Watched, report_on
from metarouter.utils.archives import read_arrays, write_arrays
from metarouter.utils.columns import check_within
from metarouter.utils.files import exclusive
from metarouter.utils.parameters import printable
from metarouter.utils.random import seed_of
from metarouter.utils.state import unchanged_on_error
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = {"usage": 1, "cost": 9, "quality": 11}
_ALARM_SCORES = {"predictions": 1, "cost": 3, "quality": 2}
_POINTS_PER_WINDOW = 10
_BOUNDS = "bounds are what no query can leave; start a new monitor with wider ones, or with none."


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
        limits = {
            "max_share": max_share,
            "max_cost": max_cost,
            "min_saving": min_saving,
            "min_gain": min_gain,
            "max_loss": max_loss,
        }
        self._settings = MonitorSettings(
            **limits_of(constraints, limits),
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
        # Each part is frozen, and is replaced by what it becomes.
        self._kept = {name: BlockSums.empty(k, window) for name, k in _COLUMNS.items()}
        self._scores = GainScores.fresh()
        seed, alpha = self._settings.seed, alarm_level / N_ALARMS
        every = max(1, window // _POINTS_PER_WINDOW)
        self._alarms = {
            name: DriftAlarm.at_start(np.empty((0, k)), level=alpha, every=every, seed=(seed, i))
            for i, (name, k) in enumerate(_ALARM_SCORES.items(), start=1)
        }
        self._embeddings = EmbeddingDrift(burn_in, n_components, seed, every, alpha)
        self._names: FeatureNames | None = None
        self._batches: tuple[str, ...] = ()
        self._least_probability = 1.0  # of a gold label so far, on which exact bounds rest
        self._files: dict[str, str | None] = {}  # as they were when last read or written
        if reference is not None:
            X, self._names = as_features(reference)
            if len(X) < 2 * burn_in:
                raise DataError(
                    f"reference has {len(X)} rows, but {2 * burn_in} are needed, half of them "
                    "(burn_in) to learn from: give more, or lower burn_in."
                )
            self._embeddings = self._embeddings.referring_to(X)

    @property
    def settings(self) -> MonitorSettings:
        """Settings of the monitor, fixed at its start."""
        return self._settings

    @property
    def batches(self) -> tuple[str, ...]:
        """Ids of the batches that were taken in, where they were given."""
        return self._batches

    @unchanged_on_error
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
        primary, batch = as_batch(
            routed_to_primary,
            cost_primary=cost_primary,
            cost_alternative=cost_alternative,
            prediction=prediction,
            gold=gold,
            gold_probability=gold_probability,
        )
        if batch_id in self._batches:
            raise DataError(f"The batch {batch_id!r} was taken in already: give each batch once.")
        if batch_id is not None:
            self._batches = (*self._batches, batch_id)
        if features is not None:
            X, self._names = as_features(features, len(primary), self._names)
            self._embeddings = self._embeddings.after(X)
        self._sum("usage", primary[:, None].astype(np.float64))
        predicted = batch["prediction"]
        self._watch("predictions", predicted[~np.isnan(predicted), None])
        if "cost_primary" in batch:
            costs = [batch["cost_primary"], batch["cost_alternative"]]
            check_within("cost_bounds", self._settings.cost_bounds, np.concatenate(costs), _BOUNDS)
            columns = cost_columns(primary, *costs)
            self._sum("cost", columns)
            self._watch("cost", columns[:, :3])
        self._take_quality(primary, batch)
        return self

    @unchanged_on_error
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
        routed_to_primary, gold, gold_probability, prediction
            As for `update`. Queries that were not drawn (NaN) belong here too.

        Returns
        -------
        RouterMonitor
            Itself.

        Raises
        ------
        DataError
            If something is wrong with the batch. The monitor is then as it was.
        """
        primary, batch = as_batch(
            routed_to_primary, prediction=prediction, gold=gold, gold_probability=gold_probability
        )
        self._take_quality(primary, batch)
        return self

    def _take_quality(self, primary: NDArray[np.bool_], batch: dict[str, FloatArray]) -> None:
        if "gold" not in batch:
            return
        predicted, gold, probability = batch["prediction"], batch["gold"], batch["gold_probability"]
        drawn = ~np.isnan(gold)
        check_within("gain_bounds", self._settings.gain_bounds, gold[drawn], _BOUNDS)
        self._least_probability = min(self._least_probability, float(probability.min()))
        score, self._scores = self._scores.score(primary, predicted, gold, probability)
        self._sum("quality", quality_columns(primary, drawn, probability, score))
        # Each gold label is watched by itself, and how far it is from its prediction.
        missed = np.where(np.isnan(predicted), gold, gold - predicted)
        self._watch("quality", np.column_stack([gold, missed])[drawn])

    def _sum(self, name: str, rows: FloatArray) -> None:
        self._kept = self._kept | {name: self._kept[name].after(rows)}

    def _watch(self, name: str, scores: FloatArray) -> None:
        self._alarms = self._alarms | {name: self._alarms[name].after(scores)}

    def report(self) -> MonitorReport:
        """Return what is known now."""
        drift = self._embeddings
        watched = Watched(drift.alarm, drift.skipped, drift.rows_to_come)
        alarms = {} if self._names is None else {"drift of the embeddings": watched}
        for name, alarm in self._alarms.items():
            if alarm.n or (name in self._kept and self._kept[name].n):
                alarms[f"drift of the {name}"] = Watched(alarm)
        return report_on(self._settings, self._kept, alarms, self._least_probability)

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
        folder, name = os.path.split(place)
        os.makedirs(folder, exist_ok=True)
        with exclusive(
            os.path.join(folder, f".{name}.saving"),
            f"{path} is being written by another monitor; save again.",
        ):
            now = _digest(place)
            if now is not None and self._files.get(place, now) != now:
                raise DataError(
                    f"{path} was written by another monitor since this one was loaded: load it "
                    "again and repeat the update, or save to another file."
                )
            parts = {name: getattr(self, f"_{name}") for name in _PARTS}
            state = {_STATE: {"kind": "MonitorState", "fields": parts}}
            header = {"format": _FORMAT, "version": _VERSIONS[-1], "metarouter": __version__}
            arrays: dict[str, Any] = {}
            text = json.dumps(header | state, default=partial(_plain, arrays))
            write_arrays(path, arrays | {_HEADER: np.array(text)})
            self._files = {**self._files, place: _digest(place)}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RouterMonitor:
        """Go on from a file that `save` wrote.

        Raises
        ------
        DataError
            If the file is not there, truncated, or no monitor of this version.
        """
        monitor = cls.__new__(cls)
        monitor._files = {os.path.realpath(path): _digest(path)}
        for name, part in _read_parts(path).items():
            setattr(monitor, f"_{name}", part)
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


_FORMAT = "metarouter-monitor"
_VERSIONS = (3, 4)
_HEADER = "monitor"
_STATE = "memory"  # what files call it
_LATER_PARTS = {"names": None, "batches": (), "least_probability": 1.0}  # not in the first files
_PARTS = ("settings", "kept", "scores", "alarms", "embeddings", *_LATER_PARTS)
_FOREIGN = (AttributeError, KeyError, OSError, TypeError, ValueError, RecursionError)
_FROZEN = (BlockSums, DriftAlarm, EmbeddingDrift, EmbeddingMap, FeatureNames, GainScores)
_KINDS: dict[str, Any] = {kind.__name__: kind for kind in (*_FROZEN, MonitorSettings)}
_KINDS |= {"MonitorState": dict, "Memory": dict}  # the latter in files that were written before


def _digest(path: str | os.PathLike[str]) -> str | None:
    """Return what tells one version of a file from another, or None where there is none."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _read_parts(path: str | os.PathLike[str]) -> dict[str, Any]:
    if not os.path.isfile(path):
        raise DataError(f"There is no file {path}: check the path.")
    try:
        arrays = read_arrays(path)
        text = str(arrays[_HEADER])
        header = json.loads(text)
        version = header["version"]
        if header["format"] != _FORMAT:
            raise ValueError(f"a file of format {header['format']!r}")
    except _FOREIGN as error:
        raise DataError(
            f"{path} is truncated or was not written by RouterMonitor.save: name another file, or "
            "start a new monitor."
        ) from error
    try:
        if version not in _VERSIONS:
            raise ValueError(f"format {version}, where {_VERSIONS[-1]} is read")
        state = json.loads(text, object_hook=partial(_built, arrays))[_STATE]
        parts: dict[str, Any] = _LATER_PARTS | state
        if set(parts) != set(_PARTS):
            raise ValueError(f"its parts are {', '.join(parts)}")
    except _FOREIGN as error:
        raise DataError(
            f"{path} was saved by another version, metarouter "
            f"{printable(header.get('metarouter', '0.1.0'))}, and cannot be used with this one, "
            f"{__version__} ({printable(error)}): start a new monitor, or go on with the version "
            "that saved it."
        ) from error
    return parts


def _plain(arrays: dict[str, Any], value: Any) -> Any:
    """Return as JSON can write it what it cannot, and put arrays beside it."""
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, np.generic):
        return value.item()
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {"kind": type(value).__name__, "fields": fields}


def _built(arrays: dict[str, Any], value: dict[str, Any]) -> Any:
    """Return what `_plain` was given, or what version 3 was, which marked tuples and dicts."""
    if "array" in value:
        return arrays[value["array"]]
    if "kind" in value:
        fields = value["fields"].items()
        return _KINDS[value["kind"]](
            **{name: tuple(of) if isinstance(of, list) else of for name, of in fields}
        )
    return tuple(value["tuple"]) if "tuple" in value else value.get("dict", value)
