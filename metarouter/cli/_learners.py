"""From the words of an option to estimators."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Literal

from metarouter.cli._choices import Encoder, Learner, Method, Scaling, Shift
from metarouter.exceptions import MetaRouterError

__all__ = ["encoder_of", "nuisance_method", "regressor_of", "scaling_of", "shift_of"]


def regressor_of(learner: Learner) -> Any:
    """Return the regressor of an option; None stands for the package's own defaults."""
    if learner is Learner.random_forest:
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor()
    if learner is Learner.xgboost:
        if find_spec("xgboost") is None:
            raise MetaRouterError(
                "--learner xgboost needs xgboost, which is not installed: install "
                "metarouter[xgboost], or choose --learner forest."
            )
        from xgboost import XGBRegressor

        return XGBRegressor(n_jobs=1)
    if learner is Learner.ridge:
        import numpy as np
        from sklearn.linear_model import RidgeCV

        return RidgeCV(alphas=np.logspace(-2, 4, 13))
    return None


def nuisance_method(method: Method, learner: Learner, *, grouped: bool) -> Literal["cv", "oob"]:
    """Choose between folds and out-of-bag predictions where the user has not.

    Raises
    ------
    MetaRouterError
        If out-of-bag predictions are asked for where there are none, or where rows of a group
        would be separated.
    """
    has_bags = learner in (Learner.forest, Learner.random_forest)
    if method is Method.auto:
        return "oob" if has_bags and not grouped else "cv"
    if method is Method.oob and not has_bags:
        raise MetaRouterError(
            f"--method oob needs a forest, not --learner {learner}: use --method cv."
        )
    if method is Method.oob and grouped:
        raise MetaRouterError(
            "--method oob cannot keep the rows of a group, or the two labels of a query, "
            "together: use --method cv."
        )
    return "oob" if method is Method.oob else "cv"


def scaling_of(scaling: Scaling) -> Any:
    """Return what `GainScaler` takes."""
    return None if scaling is Scaling.none else str(scaling)


def shift_of(shift: Shift, **settings: Any) -> Any:
    """Return the shift learner of an option; `settings` go to the R- and DR-learner.

    The adaptive router learns no shift.
    """
    from metarouter.shift import ConstantShift, DRLearner, RLearner, ZeroShift

    if shift is Shift.dr:
        return DRLearner(**settings)
    if shift is Shift.r:
        return RLearner(**settings)
    return ConstantShift() if shift is Shift.constant else ZeroShift()


def encoder_of(encoder: Encoder, seed: int) -> Any:
    """Return the transformer of an option."""
    from metarouter.encoding import MiniLMEncoder, TfidfEncoder

    return MiniLMEncoder() if encoder is Encoder.minilm else TfidfEncoder(random_state=seed)
