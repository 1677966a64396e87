"""The decision rule: send a query to the primary model when its gain is worth its price."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.fitting import predict_mean
from metarouter.routing.unit_cost import UnitCost
from metarouter.utils.features import require_real
from metarouter.utils.parameters import check_parameters, has_methods, number

__all__ = ["ThresholdRouter"]

# Costs differ in what they need to know about a query. Declaring the names here, and not in the
# signatures, lets scikit-learn's metadata routing carry them through a Pipeline while a cost model
# of the user's own may take others.
_COST_INPUTS = dict.fromkeys(
    ("input_tokens", "output_tokens", "latency", "cost_primary", "cost_alternative")
)


class ThresholdRouter(BaseEstimator):
    """Send a query to the primary model when its quality gain exceeds w times its extra cost.

    The rule is D(q) = psi(q) - w (C_p(q) - C_a(q)), and the primary model answers where D > 0
    (Meta-Router, equation 4).

    Parameters
    ----------
    model : estimator, default=None
        Predicts the quality gain psi-hat, in units of the gold labels: a `MetaRouter`, or any
        regressor. One that is already fitted is taken as it is, without calling `fit`; calling
        `fit` fits a clone, so wrap it in :class:`sklearn.frozen.FrozenEstimator` to keep it inside
        a search or a pipeline. None stands for ``MetaRouter()``.
    cost : cost model, default=None
        `UnitCost`, `TokenCost`, `GivenCost` or any object with ``costs`` and ``extra_cost``. It is
        used as it is, never cloned or fitted here. None stands for ``UnitCost()``.
    w : float, default=0.0
        Gain demanded per unit of extra cost, at least 0. With ``w=inf`` every query that costs
        more with the primary model goes to the alternative, and every query that costs less goes
        to the primary one, whatever its gain. `tune_threshold` finds w for a budget.
    models : pair of str or int, default=("alternative", "primary")
        The names that `predict` returns.

    Attributes
    ----------
    model_ : estimator
        The fitted gain model; only after `fit`.
    n_features_in_ : int
        Number of features seen by the gain model, where it knows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where the gain model was fitted on a frame. A frame whose columns stand in
        another order is refused.

    See Also
    --------
    tune_threshold : The smallest w that keeps a budget.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> X = np.array([[-1.0], [0.0], [1.0], [2.0]])
    >>> router = ThresholdRouter(LinearRegression(), w=0.5, models=("small", "large"))
    >>> router.fit(X, y=[-1.0, 0.0, 1.0, 2.0]).predict(X).tolist()
    ['small', 'small', 'large', 'large']
    """

    __metadata_request__predict = _COST_INPUTS
    __metadata_request__decision_function = _COST_INPUTS
    __metadata_request__score = _COST_INPUTS

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model": [has_methods("fit", "predict"), None],
        "cost": [has_methods("extra_cost"), None],
        "w": [number(at_least=0, infinite=True)],
        "models": "no_validation",  # two names
    }

    def __init__(
        self,
        model: Any = None,
        cost: Any = None,
        w: float = 0.0,
        models: tuple[Any, Any] = ("alternative", "primary"),
    ) -> None:
        self.model = model
        self.cost = cost
        self.w = w
        self.models = models

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        is_gold: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> ThresholdRouter:
        """Fit a clone of the gain model.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Query features, one row per label.
        y : array-like of shape (n,)
            Observed quality gains, primary minus alternative.
        is_gold : array-like of shape (n,), default=None
            True where `y` is a gold label. None: every label is gold.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows.
        groups : array-like of shape (n,), default=None
            Rows with equal values are kept on one side of every split.

        Returns
        -------
        ThresholdRouter
            The fitted router.

        Raises
        ------
        MetaRouterError
            If a parameter is out of range, or the gain model does not take what was given.
        """
        self._validate_parameters()
        model = clone(self._gain_model())
        given = {"is_gold": is_gold, "sample_weight": sample_weight, "groups": groups}
        given = {name: values for name, values in given.items() if values is not None}
        _require_fit_parameters(model, given)
        self.model_ = model.fit(X, y, **given)
        return self

    def predict_gain(self, X: Any) -> NDArray[np.float64]:
        """Estimate the quality gain psi-hat.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Query features.

        Returns
        -------
        ndarray of shape (n,)
            In the units of the gold labels.
        """
        check_is_fitted(self)
        require_real("X", X)
        model = self._fitted_model()
        try:
            gain = predict_mean(model, X)
        except MetaRouterError:
            raise
        except (TypeError, ValueError, OverflowError) as error:  # in the words of another library
            said = " ".join(str(error).split()).rstrip(".")
            raise DataError(f"X is refused by {type(model).__name__}: {said}.") from error
        if not np.all(np.isfinite(gain)):
            raise MetaRouterError(
                f"The gain model predicts no finite gain for {np.sum(~np.isfinite(gain))} of "
                f"{len(gain)} queries; fit it again on finite labels and features."
            )
        return gain

    def decision_function(self, X: Any, **cost_inputs: Any) -> NDArray[np.float64]:
        """Compute D(q) = psi-hat - w times extra cost (equation 4).

        Parameters
        ----------
        X : array-like of shape (n, d)
            Query features.
        **cost_inputs
            What the cost model needs to know of each query, for example ``input_tokens`` for
            `TokenCost`. Inside a pipeline ask for it with ``set_decision_function_request``.

        Returns
        -------
        ndarray of shape (n,)
            Positive where the primary model is worth its price; infinite where ``w`` is and the
            costs differ.
        """
        self._validate_parameters()
        gain = self.predict_gain(X)
        return decision(gain, self._cost_model().extra_cost(X, **cost_inputs), self.w)

    def predict(self, X: Any, **cost_inputs: Any) -> NDArray[Any]:
        """Name the model that should answer each query.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Query features.
        **cost_inputs
            As for `decision_function`.

        Returns
        -------
        ndarray of shape (n,)
            The primary model's name where the decision is above 0, else the alternative's.
        """
        to_primary = self.decision_function(X, **cost_inputs) > 0
        return np.asarray(self.models)[to_primary.astype(int)]

    def score(
        self,
        X: Any,
        y: ArrayLike,
        is_gold: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        **cost_inputs: Any,
    ) -> float:
        """Return what routing gains on gold labels, net of what it costs.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Query features, one row per label.
        y : array-like of shape (n,)
            Quality gains, primary minus alternative.
        is_gold : array-like of shape (n,), default=None
            True where `y` is a gold label: only these are counted. None: all are. In a search ask
            for it with ``set_score_request(is_gold=True)``.
        sample_weight : array-like of shape (n,), default=None
        **cost_inputs
            As for `decision_function`.

        Returns
        -------
        float
            Mean of ``y - w * extra cost`` where the primary model is asked and 0 elsewhere: the
            gain over always asking the alternative, in gold units. An infinite w, of which no
            price can be taken off, leaves the mean of ``y``.

        Raises
        ------
        DataError
            If no row is gold, or lengths differ.
        """
        decided = self.decision_function(X, **cost_inputs)
        gain = np.asarray(y, dtype=np.float64)
        counts = np.ones(gain.shape, dtype=bool) if is_gold is None else np.asarray(is_gold, bool)
        if gain.shape != decided.shape or counts.shape != gain.shape:
            raise DataError(
                f"X has {decided.size} rows, y {gain.size} and is_gold {counts.size}: give one of "
                "each per label."
            )
        if not counts.any():
            raise DataError(
                f"None of {gain.size} rows is gold, so that there is nothing to score on: spread "
                "gold rows over all folds, as training_rows().interleaved() does."
            )
        if np.isfinite(self.w):
            gain = gain - self.w * self._cost_model().extra_cost(X, **cost_inputs)
        weight = None if sample_weight is None else np.asarray(sample_weight, float)[counts]
        return float(np.average(np.where(decided > 0, gain, 0.0)[counts], weights=weight))

    @property
    def classes_(self) -> NDArray[Any]:
        """The names that `predict` returns; a positive decision means the second one."""
        return np.asarray(self.models)

    def _gain_model(self) -> Any:
        if self.model is not None:
            return self.model
        from metarouter.routing.meta_router import MetaRouter

        return MetaRouter()

    def _fitted_model(self) -> Any:
        return getattr(self, "model_", self.model)

    def _cost_model(self) -> Any:
        return UnitCost() if self.cost is None else self.cost

    @property
    def n_features_in_(self) -> int:
        """Number of features seen by the gain model."""
        return self._fitted_model().n_features_in_

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of the features seen by the gain model."""
        return self._fitted_model().feature_names_in_

    def _validate_parameters(self) -> None:
        check_parameters(self)
        names = self.models
        pair_of_names = (
            isinstance(names, (tuple, list))
            and len(names) == 2
            and all(isinstance(name, (str, int)) for name in names)
            and type(names[0]) is type(names[1])
            and names[0] != names[1]
        )
        if not pair_of_names:
            raise MetaRouterError(
                f"models is {names!r}; give two different names, (alternative, primary)."
            )

    def __sklearn_is_fitted__(self) -> bool:
        model = self._fitted_model()
        if model is None:
            return False
        try:
            check_is_fitted(model)
        except NotFittedError:
            return False
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self._gain_model()).input_tags
        tags.target_tags.required = True
        return tags


def decision(
    gain: NDArray[np.float64], extra_cost: NDArray[np.float64], w: float
) -> NDArray[np.float64]:
    """Weigh gain against extra cost (Meta-Router, equation 4), with its limit at infinite `w`.

    Examples
    --------
    >>> decision(np.array([1.0, 1.0, -2.0]), np.array([0.5, 0.0, -0.5]), np.inf)
    array([-inf,   1.,  inf])
    """
    if np.isinf(w):
        return np.where(extra_cost == 0, gain, np.where(extra_cost > 0, -np.inf, np.inf))
    return gain - w * extra_cost


def _require_fit_parameters(model: Any, given: dict[str, Any]) -> None:
    # A pipeline takes what its steps have asked for, which only it can tell.
    refused = [name for name in given if not has_fit_parameter(model, name)]
    if refused and not hasattr(model, "steps"):
        raise MetaRouterError(
            f"{type(model).__name__} does not take {' or '.join(refused)}; leave it out, or use "
            f"MetaRouter(regressor={type(model).__name__}(...)) as the gain model."
        )
