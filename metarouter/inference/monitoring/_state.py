"""All that a monitor remembers, as one value that is replaced and never changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError
from metarouter.inference.monitoring._batch import Batch, FeatureNames, as_features
from metarouter.inference.monitoring._drift import DriftAlarm, EmbeddingDrift
from metarouter.inference.monitoring._report import MonitorReport, Watched, report_on
from metarouter.inference.monitoring._settings import MonitorSettings
from metarouter.inference.monitoring._sums import (
    BlockSums,
    GainScores,
    cost_columns,
    quality_columns,
    usage_columns,
)

_COLUMNS = {"usage": 1, "cost": 9, "quality": 11}
_ALARM_SCORES = {"predictions": 1, "cost": 3, "quality": 2}
_POINTS_PER_WINDOW = 10


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
        _refuse_outside(
            "cost_bounds", self.settings.cost_bounds, batch.cost_primary, batch.cost_alternative
        )
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
        _refuse_outside("gain_bounds", self.settings.gain_bounds, batch.gold[drawn])
        least = min(self.least_probability, float(batch.probability.min(initial=1.0)))
        score, scores = self.scores.score(
            batch.primary, batch.prediction, batch.gold, batch.probability
        )
        columns = quality_columns(batch.primary, drawn, batch.probability, score)
        watched = _watched(batch.gold[drawn], batch.prediction[drawn])
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


def _refuse_outside(
    name: str, bounds: tuple[float, float] | None, *columns: NDArray[np.float64]
) -> None:
    if bounds is None:
        return
    values = np.concatenate(columns)
    outside = (values < bounds[0]) | (values > bounds[1])
    if outside.any():
        raise DataError(
            f"{int(outside.sum())} of {values.size} values lie outside {name}={bounds!r} (first: "
            f"{values[outside][0]:g}): bounds are what no query can leave; start a new monitor "
            "with wider ones, or with none."
        )


def _watched(gold: NDArray[np.float64], prediction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what is watched of each gold label: itself, and how far it is from its prediction."""
    return np.column_stack([gold, np.where(np.isnan(prediction), gold, gold - prediction)])
