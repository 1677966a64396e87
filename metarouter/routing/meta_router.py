"""The Meta-Router: psi-hat from gold labels and corrected preference labels."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from metarouter.base_learners import default_regressor, with_fewer_trees
from metarouter.datasets import take_rows
from metarouter.exceptions import DataError
from metarouter.fitting import fit_model, predict_mean
from metarouter.overlap_region import OverlapRegion
from metarouter.routing._gain_calibration import (
    FOLDS,
    FOLDS_OF_GOLD_ALONE,
    GainCalibration,
    calibrate_gain,
    held_out_gold,
    weighs,
)
from metarouter.routing._gold_score import GoldScoreMixin
from metarouter.scaling import GainScaler, ScalingMethod
from metarouter.shift import DRLearner, ShiftLearner
from metarouter.utils.parameters import REGRESSOR, has_methods, one_of
from metarouter.utils.random import seed_of, seeded
from metarouter.utils.validation import (
    TrainingData,
    require_both_sources,
    validate_features,
    validate_training,
)

FloatArray = NDArray[np.float64]


class MetaRouter(GoldScoreMixin, RegressorMixin, BaseEstimator):
    """Regress the quality gain on gold labels and shift-corrected preference labels (eq. 6).

    Every two-source router of the paper is this estimator: pooled = ``ZeroShift``, linear scaling
    = ``ConstantShift``, the meta-routers = ``RLearner`` and ``DRLearner``, the oracle of section
    3.1 = ``KnownShift``, gold-only and preference-only = ``sources``.

    Parameters
    ----------
    shift : ShiftLearner, optional
        Learner of the label-source effect; ``DRLearner()`` by default.
    regressor : regressor, optional
        Learner of psi, the expected gain; an extremely randomised forest by default.
    scaling : {"variance", "max", "wasserstein"} or None, default="variance"
        How the gold labels are brought to the scale of the preference labels (Remark 1), within
        the overlap of the two sources where the shift's ``PropensityPolicy`` trims (section 5).
    overlap : OverlapRegion, optional
        Truncation under positivity violation (section 5): scale, nuisances and shift are learned
        from the queries of both sources inside the region alone; then all gold labels return, and
        preference labels outside are left out or weigh less.
    sources : {"both", "gold", "preference"}, default="both"
        Which labels the gain is regressed on. With "gold" and "preference" no shift is learned.
    calibrate : bool, default=True
        Bring psi-hat to the units that it claims, by an increasing line with the slope and the
        level that gold labels have on predictions made without them; with few gold labels it is
        shrunken towards no change (`calibration_`). The ranking of queries, and so every curve,
        stays. It takes five more fits of the final stage (ten with ``sources="gold"``), of forests
        with fewer trees.
    random_state : int, RandomState or None
        Seed of every learner inside that has none of its own.
    n_jobs : int, optional
        Workers of the default learners.

    Attributes
    ----------
    scaler_ : GainScaler
    shift_ : ShiftLearner
        ``shift_.predict(X)`` is Delta-hat in units of the preference labels; absent when no shift
        was learned.
    overlap_ : OverlapRegion
        The fitted region; ``overlap_.contains(X)`` says which new queries lie in it. Absent where
        no shift was learned or no region was asked for.
    regressor_ : regressor
        psi-hat in units of the preference labels, before calibration.
    calibration_ : GainCalibration
        ``slope`` and ``level`` of the line that psi-hat was calibrated by, 1 and 0 for none: with
        ``calibrate=False``, where no source is named, or with fewer than ten gold labels.
    n_gold_, n_preference_ : int
        Labels of each source that were given.
    n_outside_overlap_ : int
        Preference labels left out because they lie outside the overlap of the two sources
        (section 5); 0 unless the shift's ``PropensityPolicy`` trims or `overlap` truncates.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from metarouter.datasets import make_judged_queries
    >>> queries = make_judged_queries(1000, gold_share=0.2, random_state=0)
    >>> rows = queries.training_rows()
    >>> model = MetaRouter(random_state=0).fit(rows.X, rows.y, is_gold=rows.is_gold)
    >>> gain = model.predict(queries.X)
    >>> bool(np.corrcoef(gain, queries.truth.psi)[0, 1] > 0.5)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "shift": [has_methods("fit", "predict", "find_overlap", "without"), None],
        "regressor": [REGRESSOR, None],
        "scaling": [one_of(*get_args(ScalingMethod)), None],
        "sources": [one_of("both", "gold", "preference")],
        "calibrate": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": ["n_jobs", None],
        "overlap": [OverlapRegion, None],
    }

    def __init__(
        self,
        shift: ShiftLearner | None = None,
        regressor: Any = None,
        scaling: ScalingMethod | None = "variance",
        sources: Literal["both", "gold", "preference"] = "both",
        calibrate: bool = True,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        overlap: OverlapRegion | None = None,
    ) -> None:
        self.shift = shift
        self.regressor = regressor
        self.scaling = scaling
        self.sources = sources
        self.calibrate = calibrate
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.overlap = overlap

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        is_gold: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> MetaRouter:
        """Learn the shift, correct the preference labels, regress the gain.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Query features, one row per label.
        y : array-like of shape (n,)
            Quality gains, each in the units of its own source.
        is_gold : array-like of bool of shape (n,), optional
            Source of each label. None means that every label is gold: the model is then its
            regressor.
        sample_weight : array-like of shape (n,), optional
        groups : array-like of shape (n,), optional
            Rows with one value, for example the two labels of one query, share every fold.

        Raises
        ------
        DataError
            If the data are malformed or a source that is needed is missing.
        MetaRouterError
            If a parameter is out of its range, or a base learner lacks what is asked of it.
        """
        data = validate_training(self, X, y, is_gold, sample_weight, groups)
        self._check_sources(data, given=is_gold is not None)
        seed = seed_of(self.random_state)
        self.n_gold_, self.n_preference_ = int(data.is_gold.sum()), int((~data.is_gold).sum())
        self.n_outside_overlap_ = 0

        self._find_region(X, data, seed)
        data = self._scale(data, seed)
        shift = self._learn_shift(X, data, seed) if self._learns_shift else None
        regressor = self._seeded_regressor(seed)
        self.regressor_ = self._fit_gain(data, shift, regressor)
        self.calibration_ = GainCalibration()
        if self.calibrate and is_gold is not None:
            self.calibration_ = self._calibrated(data, with_fewer_trees(regressor), seed)
        return self

    def predict(self, X: Any) -> FloatArray:
        """Return psi-hat, shape (n,), in the units of the gold labels.

        Where only preference labels were given there are no such units: the gain is then in
        those of the preference labels.
        """
        check_is_fitted(self)
        gain = predict_mean(self.regressor_, validate_features(self, X))
        return self.calibration_.transform(self.scaler_.inverse_transform(gain))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        # Ten rows in a leaf are for thousands of noisy labels, not for scikit-learn's test of R2.
        tags.regressor_tags.poor_score = (
            self.regressor is None or get_tags(self.regressor).regressor_tags.poor_score
        )
        return tags

    @property
    def _learns_shift(self) -> bool:
        return self.sources == "both" and self.n_preference_ > 0

    def _check_sources(self, data: TrainingData, *, given: bool) -> None:
        if self.sources == "both":
            if given:
                require_both_sources(data.is_gold)
            return
        wanted = data.is_gold if self.sources == "gold" else ~data.is_gold
        if not wanted.any():
            raise DataError(
                f"sources={self.sources!r} but none of the {len(data.y)} labels is a "
                f"{self.sources} label; add some, or change sources."
            )

    def _scale(self, data: TrainingData, seed: int) -> TrainingData:
        # A gold-only router is its regressor on the gold rows, in their own units.
        both = self.sources != "gold" and self.n_gold_ > 0 and self.n_preference_ > 0
        inside = data
        if self._learns_shift:
            inside = data.take(self._in_region(data))
            inside = inside.take(self._seeded_shift(seed).find_overlap(inside))
        self.scaler_ = GainScaler(self.scaling).fit(
            inside.y, inside.is_gold if both else None, inside.sample_weight
        )
        return data._replace(y=self.scaler_.transform(data.y, data.is_gold if both else None))

    def _find_region(self, X: Any, data: TrainingData, seed: int) -> None:
        self.__dict__.pop("overlap_", None)
        if self.overlap is not None and self._learns_shift:
            self.overlap_: OverlapRegion = seeded(self.overlap, seed).fit(X, data.is_gold)

    def _in_region(self, data: TrainingData) -> NDArray[np.bool_]:
        if self.overlap is None:
            return np.ones(len(data.y), dtype=bool)
        return self.overlap_.in_region_

    def _seeded_shift(self, seed: int) -> ShiftLearner:
        shift = DRLearner(n_jobs=self.n_jobs) if self.shift is None else self.shift
        learner: ShiftLearner = seeded(shift, seed)
        return learner

    def _seeded_regressor(self, seed: int) -> Any:
        regressor = self.regressor
        if regressor is None:
            regressor = default_regressor(n_jobs=self.n_jobs)
        return seeded(regressor, seed)

    def _learn_shift(self, X: Any, data: TrainingData, seed: int) -> FloatArray:
        region = self._in_region(data)
        inside = data.take(region)
        self.shift_ = self._seeded_shift(seed).fit(
            X if self.overlap is None else take_rows(X, np.flatnonzero(region)),
            inside.y,
            inside.is_gold,
            sample_weight=inside.sample_weight,
            groups=inside.groups,
        )
        self.n_outside_overlap_ = int((~self._rows_of_gain(data)).sum())
        return self.shift_.predict(X)

    def _rows_of_gain(self, data: TrainingData) -> NDArray[np.bool_]:
        """Say which rows the gain is regressed on."""
        if self.sources != "both":
            return data.is_gold if self.sources == "gold" else ~data.is_gold
        if self._learns_shift:
            region = self._in_region(data)
            used = data.is_gold.copy()
            used[region] |= self.shift_.in_overlap_
            return used if self.overlap is None else used | (~region & (self.overlap_.weight_ > 0))
        return np.ones(len(data.y), dtype=bool)

    def _fit_gain(
        self,
        data: TrainingData,
        shift: FloatArray | None,
        regressor: Any,
        left_out: NDArray[np.bool_] | None = None,
    ) -> Any:
        """Regress gold labels and corrected preference labels on the features (eq. 6)."""
        if shift is not None:
            data = data._replace(y=np.where(data.is_gold, data.y, data.y + shift))
        if self.overlap is not None and self._learns_shift and self.overlap.outside == "downweight":
            own = 1.0 if data.sample_weight is None else data.sample_weight
            weight = own * np.where(data.is_gold, 1.0, self.overlap_.weight_)
            data = data._replace(sample_weight=weight)
        used = self._rows_of_gain(data)
        rows = data.take(used if left_out is None else used & ~left_out)
        return fit_model(regressor, rows.X, rows.y, rows.sample_weight)

    def _calibrated(self, data: TrainingData, regressor: Any, seed: int) -> GainCalibration:
        prediction = np.full(len(data.y), np.nan)
        n_folds = FOLDS_OF_GOLD_ALONE if self.sources == "gold" else FOLDS
        for left_out in held_out_gold(data, seed, n_folds):
            shift = None
            if self._learns_shift:
                region = self._in_region(data)
                without = self.shift_.without(data.take(region), left_out[region])
                shift = without.predict(data.X)
            model = self._fit_gain(data, shift, regressor, left_out)
            prediction[left_out] = predict_mean(model, data.X[left_out])
        known = weighs(data) & np.isfinite(prediction)
        if not known.any():
            return GainCalibration()
        gold = data.take(known)
        return calibrate_gain(
            self.scaler_.inverse_transform(prediction[known]),
            self.scaler_.inverse_transform(gold.y),
            gold.sample_weight,
            gold.groups,
        )
