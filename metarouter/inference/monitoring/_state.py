"""All that a monitor remembers, as one value that is replaced and never changed, and its file.

A file holds arrays, and a tree of plain values that says where they belong. Nothing in it is
executed on loading: numbers, words and arrays of numbers, put into the few frozen dataclasses that
are named here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metarouter._version import __version__
from metarouter.exceptions import DataError
from metarouter.inference.monitoring._drift import DriftAlarm, EmbeddingDrift, EmbeddingMap
from metarouter.inference.monitoring._inputs import (
    Batch,
    FeatureNames,
    MonitorSettings,
    as_features,
)
from metarouter.inference.monitoring._quantities import (
    BlockSums,
    GainScores,
    cost_columns,
    quality_columns,
    usage_columns,
)
from metarouter.inference.monitoring._report import MonitorReport, Watched, report_on
from metarouter.utils.archives import read_arrays, write_arrays
from metarouter.utils.columns import check_within
from metarouter.utils.parameters import printable

_COLUMNS = {"usage": 1, "cost": 9, "quality": 11}
_ALARM_SCORES = {"predictions": 1, "cost": 3, "quality": 2}
_POINTS_PER_WINDOW = 10
_BOUNDS = "bounds are what no query can leave; start a new monitor with wider ones, or with none."


@dataclass(frozen=True)
class MonitorState:
    """Sums, what was learned about gold labels, alarms.

    Parameters
    ----------
    settings : MonitorSettings
    kept : dict of str to BlockSums
        Sums of decisions, of costs, and of quality; each with rows of its own.
    scores : GainScores
    alarms : dict of str to DriftAlarm
    embeddings : EmbeddingDrift
    names : FeatureNames or None
    batches : tuple of str
        Batches that were taken in, by their ids.
    least_probability : float
        Smallest chance of a gold label so far, on which exact bounds rest.
    """

    settings: MonitorSettings
    kept: dict[str, BlockSums]
    scores: GainScores
    alarms: dict[str, DriftAlarm]
    embeddings: EmbeddingDrift
    names: FeatureNames | None = None
    batches: tuple[str, ...] = ()
    least_probability: float = 1.0

    @classmethod
    def empty(cls, settings: MonitorSettings) -> MonitorState:
        """Start without data."""
        every = max(1, settings.window // _POINTS_PER_WINDOW)
        alarms = {
            name: DriftAlarm.at_start(
                k, level=settings.level_per_alarm, every=every, seed=(settings.seed, number)
            )
            for number, (name, k) in enumerate(_ALARM_SCORES.items(), start=1)
        }
        embeddings = EmbeddingDrift(
            burn_in=settings.burn_in,
            n_components=settings.n_components,
            seed=settings.seed,
            every=every,
            level=settings.level_per_alarm,
            waiting=np.empty((0, 0)),
        )
        kept = {name: BlockSums.empty(k, settings.window) for name, k in _COLUMNS.items()}
        return cls(settings, kept, GainScores.fresh(), alarms, embeddings)

    def referring_to(self, reference: Any) -> MonitorState:
        """Compare embeddings with those of a reference, shape (m, d)."""
        X, names = as_features(reference, np.shape(reference)[0] if np.ndim(reference) else 0, None)
        needed = 2 * self.settings.burn_in
        if len(X) < needed:
            raise DataError(
                f"reference has {len(X)} rows, but {needed} are needed, half of them (burn_in) to "
                "learn from: give more, or lower burn_in."
            )
        return replace(self, names=names, embeddings=self.embeddings.referring_to(X))

    def after(self, batch: Batch, features: Any, batch_id: str | None) -> MonitorState:
        """Return what is remembered after a batch."""
        if batch_id is not None and batch_id in self.batches:
            raise DataError(f"The batch {batch_id!r} was taken in already: give each batch once.")
        names, embeddings = self.names, self.embeddings
        if features is not None:
            X, names = as_features(features, len(batch.primary), names)
            embeddings = embeddings.after(X)
        known = self.after_quality(batch).after_costs(batch)
        given = batch.prediction[~np.isnan(batch.prediction)]
        usage = self.kept["usage"].after(usage_columns(batch.primary))
        predictions = self.alarms["predictions"].after(given[:, None])
        return replace(
            known,
            kept=known.kept | {"usage": usage},
            alarms=known.alarms | {"predictions": predictions},
            embeddings=embeddings,
            names=names,
            batches=self.batches if batch_id is None else (*self.batches, batch_id),
        )

    def after_costs(self, batch: Batch) -> MonitorState:
        """Return what is remembered after the costs of a batch."""
        if batch.cost_primary is None or batch.cost_alternative is None:
            return self
        both = np.concatenate([batch.cost_primary, batch.cost_alternative])
        check_within("cost_bounds", self.settings.cost_bounds, both, _BOUNDS)
        columns = cost_columns(batch.primary, batch.cost_primary, batch.cost_alternative)
        return replace(
            self,
            kept=self.kept | {"cost": self.kept["cost"].after(columns)},
            alarms=self.alarms | {"cost": self.alarms["cost"].after(columns[:, :3])},
        )

    def after_quality(self, batch: Batch) -> MonitorState:
        """Return what is remembered after the gold labels of a batch."""
        if batch.gold is None or batch.probability is None:
            return self
        drawn = ~np.isnan(batch.gold)
        gold, predicted = batch.gold[drawn], batch.prediction[drawn]
        check_within("gain_bounds", self.settings.gain_bounds, gold, _BOUNDS)
        least = min(self.least_probability, float(batch.probability.min(initial=1.0)))
        score, scores = self.scores.score(
            batch.primary, batch.prediction, batch.gold, batch.probability
        )
        columns = quality_columns(batch.primary, drawn, batch.probability, score)
        # Of each gold label it is watched by itself, and how far it is from its prediction.
        missed = np.where(np.isnan(predicted), gold, gold - predicted)
        watched = np.column_stack([gold, missed])
        return replace(
            self,
            kept=self.kept | {"quality": self.kept["quality"].after(columns)},
            scores=scores,
            least_probability=least,
            alarms=self.alarms | {"quality": self.alarms["quality"].after(watched)},
        )

    def report(self) -> MonitorReport:
        """Say what is known now."""
        alarms: dict[str, Watched] = {}
        if self.names is not None:
            drift = self.embeddings
            alarms["drift of the embeddings"] = Watched(
                drift.alarm, drift.skipped, drift.rows_to_come
            )
        for name, alarm in self.alarms.items():
            if alarm.n or (name in self.kept and self.kept[name].n):
                alarms[f"drift of the {name}"] = Watched(alarm)
        return report_on(self.settings, self.kept, alarms, self.least_probability)


_FORMAT = "metarouter-monitor"
_VERSION = 3
_HEADER = "monitor"
_FOREIGN = (AttributeError, KeyError, OSError, TypeError, ValueError, RecursionError)
_KEPT = (BlockSums, DriftAlarm, EmbeddingDrift, EmbeddingMap, FeatureNames, GainScores)
_KINDS: dict[str, Any] = {kind.__name__: kind for kind in (*_KEPT, MonitorState, MonitorSettings)}
_KINDS["Memory"] = MonitorState  # its former name, in files that were written before


def write_state(state: MonitorState, path: str | os.PathLike[str]) -> None:
    """Write what a monitor remembers, whole or not at all."""
    arrays: dict[str, Any] = {}
    header: dict[str, Any] = {"format": _FORMAT, "version": _VERSION, "metarouter": __version__}
    header["memory"] = _plain(state, arrays)
    arrays[_HEADER] = np.array(json.dumps(header))
    write_arrays(path, arrays)


def file_digest(path: str | os.PathLike[str]) -> str | None:
    """Return what tells one version of a file from another, or None where there is none."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def read_state(path: str | os.PathLike[str]) -> MonitorState:
    """Read what a monitor remembers.

    Raises
    ------
    DataError
        If the file is not there, truncated, no monitor, or one of another version.
    """
    if not os.path.isfile(path):
        raise DataError(f"There is no file {path}: check the path.")
    try:
        arrays = read_arrays(path)
        header = json.loads(str(arrays[_HEADER]))
        version, memory = header["version"], header["memory"]
        if header["format"] != _FORMAT:
            raise ValueError(f"a file of format {header['format']!r}")
    except _FOREIGN as error:
        raise DataError(
            f"{path} is truncated or was not written by RouterMonitor.save: name another file, or "
            "start a new monitor."
        ) from error
    reason = f"format {version}, where {_VERSION} is read"
    try:
        state = _built(memory, arrays) if version == _VERSION else None
    except _FOREIGN as error:
        state, reason = None, f"{type(error).__name__}: {printable(error)}"
    if not isinstance(state, MonitorState):
        raise DataError(
            f"{path} was saved by another version, metarouter "
            f"{printable(header.get('metarouter', '0.1.0'))}, and cannot be used with this one, "
            f"{__version__} ({reason}): start a new monitor, or go on with the version that saved "
            "it."
        )
    return state


def _plain(value: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        fields = {name: _plain(getattr(value, name), arrays) for name in names}
        return {"kind": type(value).__name__, "fields": fields}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple):
        return {"tuple": [_plain(item, arrays) for item in value]}
    if isinstance(value, dict):
        return {"dict": {name: _plain(item, arrays) for name, item in value.items()}}
    return value


def _built(value: Any, arrays: dict[str, Any]) -> Any:
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "kind" in value:
        fields = {name: _built(item, arrays) for name, item in value["fields"].items()}
        return _KINDS[value["kind"]](**fields)
    if "tuple" in value:
        return tuple(_built(item, arrays) for item in value["tuple"])
    return {name: _built(item, arrays) for name, item in value["dict"].items()}
