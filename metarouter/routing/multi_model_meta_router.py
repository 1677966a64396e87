"""The Meta-Router over many models (appendix A.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from metarouter.base_learners import default_regressor
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.fitting import fit_model, predict_mean
from metarouter.routing._bradley_terry import (
    require_votes,
    tie_parameter,
    vote_moments,
    working_response,
)
from metarouter.routing._comparisons import (
    Compared,
    model_column,
    require_new_name,
    require_one_piece,
    require_one_sign,
    validate_pairs,
    warn_of_gold_pieces,
)
from metarouter.routing._contrast_model import (
    ContrastFit,
    ContrastRows,
    Gram,
    VarianceComponents,
    contrast_gram,
    fit_contrasts,
)
from metarouter.routing._contrast_ridge import ContrastRidge, with_models
from metarouter.routing._model_choice import choose_models
from metarouter.routing._new_model import new_model_scores, score_directions
from metarouter.routing._query_features import QueryFeatures
from metarouter.scaling import GainScaler, ScalingMethod
from metarouter.shift import DRLearner, ShiftLearner
from metarouter.utils.parameters import REGRESSOR, check_parameters, one_of, whole
from metarouter.utils.random import seed_of, seeded
from metarouter.utils.validation import (
    TrainingData,
    require_both_sources,
    validate_features,
    validate_training,
)

FloatArray = NDArray[np.float64]
Structure = Literal["scores", "pairs", "bradley_terry", "low_rank"]

__all__ = ["MultiModelMetaRouter"]

_VOTE_STEPS = 4


class MultiModelMetaRouter(BaseEstimator):
    """Route over many models from gold and preference comparisons of two at a time.

    The expected gold gain of model k over model l on a query s, psi_kl(s), is learned from gold
    labels and from preference labels whose bias Delta_kl(s) is estimated and taken out
    (Meta-Router, A.2, equations S1 and S2). Swapping k and l swaps the sign, by construction.

    Parameters
    ----------
    structure : {"scores", "pairs", "bradley_terry", "low_rank"}, default="scores"
        What is assumed of psi_kl.

        - ``"scores"``: psi_kl(s) = theta_k(s) - theta_l(s), each score linear in the features;
          pairs that were never compared are predicted through the models that connect them.
        - ``"bradley_terry"``: the same, and the preference labels, which must be votes in
          {-1, 0, 1}, follow Bradley-Terry-Luce with ties: their mean is
          2 sigma(u) - 1 where there are no ties, for a latent u_kl = rho psi_kl - delta_kl.
        - ``"low_rank"``: the same as "scores", with theta_k(s) = a_k + v_k' g(s), where the
          embeddings v_k of the models have few dimensions.
        - ``"pairs"``: psi_kl free; a `regressor` on (s, k, l).
    shift : "adaptive" or ShiftLearner, optional
        How the bias is learned. "adaptive", the default of all structures but "pairs", fits scores
        and bias in one linear mixed model (see the notes). A `DRLearner`, the default of "pairs",
        or an `RLearner` takes (s, k, l) as covariates; a `ZeroShift` pools the labels.
    regressor : regressor, optional
        Only for ``structure="pairs"``: the learner of psi on (s, k, l), an extremely randomised
        forest by default.
    scaling : {"variance", "max", "wasserstein"} or None, default="variance"
        How gold labels are brought to the scale of preference labels (Remark 1) before a
        `ShiftLearner` is fitted. The adaptive shift finds this constant itself.
    rank : int, default=2
        Dimensions of the models' embeddings, for "low_rank" and for `add_model`.
    n_components : int or None, default=50
        Features beyond this number are reduced to their leading principal components; None keeps
        all.
    random_state : int, RandomState or None
    n_jobs : int, optional
        Workers of a `ShiftLearner` and of the default regressor.

    Attributes
    ----------
    models_ : list of str
        Names, in the order of the columns of scores.
    components_ : VarianceComponents
        Standard deviations of scores, bias and errors, and the judge's sensitivity; only with the
        adaptive shift.
    embeddings_ : ndarray of shape (n_models, rank)
        Where the models' scores vary together from query to query; not for "pairs".
    tie_ : float
        Davidson's parameter of ties, 0 where no vote is tied; only for "bradley_terry".
    n_gold_, n_preference_ : int
    counts_ : ndarray of int of shape (n_models, n_models)
        How often two models were compared.

    Notes
    -----
    With the adaptive shift, theta_k(s) = a_k + b_k' f(s) and Delta_kl = delta_k - delta_l with
    delta_k(s) = c_k + d_k' f(s), so that the bias has a part that belongs to the model. Both are
    shrunk, by variances that maximise the marginal likelihood: a judge that agrees with the gold
    labels is believed, another is not. A gain of gold labels is worth ``rho`` preference labels
    (`components_.sensitivity`). Models are compared in one order inside, so a judge who favours
    what it reads first must be asked in random order.

    See Also
    --------
    MetaRouter : Two models.
    metarouter.datasets.read_comparisons : Reads comparisons from a table.

    References
    ----------
    .. [1] Kennedy & O'Hagan (2000), Predicting the output from a complex computer code when fast
       approximations are available.
    .. [2] Davidson (1970), On extending the Bradley-Terry model to accommodate ties in paired
       comparison experiments.

    Examples
    --------
    >>> import numpy as np
    >>> from metarouter.datasets import make_model_comparisons
    >>> data = make_model_comparisons(300, 3000, random_state=0)
    >>> rows = data.training_rows()
    >>> many = MultiModelMetaRouter(random_state=0)
    >>> _ = many.fit(rows.X, rows.pairs, rows.y, is_gold=rows.is_gold)
    >>> many.models_
    ['model 1', 'model 2', 'model 3', 'model 4', 'model 5', 'model 6']
    >>> many.scores(data.X[:2]).shape
    (2, 6)
    >>> bool(np.allclose(many.predict_gain(data.X, "model 1", "model 2"),
    ...                  -many.predict_gain(data.X, "model 2", "model 1")))
    True
    >>> many.predict(data.X[:3], cost=[6, 5, 4, 3, 2, 1], preference=(0.0, 1.0)).tolist()
    ['model 6', 'model 6', 'model 6']
    """

    models_: list[str]
    counts_: NDArray[np.intp]

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "structure": [one_of(*get_args(Structure))],
        "shift": [one_of("adaptive"), ShiftLearner, None],
        "regressor": [REGRESSOR, None],
        "scaling": [one_of(*get_args(ScalingMethod)), None],
        "rank": [whole()],
        "n_components": [whole(), None],
        "random_state": ["random_state"],
        "n_jobs": ["n_jobs", None],
    }

    def __init__(
        self,
        structure: Structure = "scores",
        shift: ShiftLearner | Literal["adaptive"] | None = None,
        regressor: Any = None,
        scaling: ScalingMethod | None = "variance",
        rank: int = 2,
        n_components: int | None = 50,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.structure = structure
        self.shift = shift
        self.regressor = regressor
        self.scaling = scaling
        self.rank = rank
        self.n_components = n_components
        self.random_state = random_state
        self.n_jobs = n_jobs

    # Learning --------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        pairs: Any,
        y: ArrayLike,
        is_gold: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> MultiModelMetaRouter:
        """Learn scores of the models.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Query features, one row per comparison.
        pairs : array-like of str of shape (n, 2)
            The two models of every comparison.
        y : array-like of shape (n,)
            Quality of the first minus that of the second, each in the units of its own source.
        is_gold : array-like of bool of shape (n,), optional
            Source of each label; None means that every label is gold.
        sample_weight : array-like of shape (n,), optional
        groups : array-like of shape (n,), optional
            Rows with one value, such as the comparisons of one query, share every fold of a
            `ShiftLearner`.

        Raises
        ------
        DataError
            If the data are malformed, a source is missing, a model is compared with itself, labels
            do not turn with their models, or some models are never compared with the others.
        MetaRouterError
            If a parameter is out of its range.

        Warns
        -----
        ComparisonWarning
            If gold labels alone do not connect all models.
        """
        self._check_parameters()
        new = clone(self)
        data = validate_training(new, X, y, is_gold, sample_weight, groups)
        compared, names = validate_pairs(pairs, len(data.y))
        if is_gold is not None:
            require_both_sources(data.is_gold)
        require_one_sign(data, compared, names)
        require_one_piece(compared, names)
        warn_of_gold_pieces(compared, data.is_gold, names)
        new.models_ = list(names)
        new.n_gold_, new.n_preference_ = int(data.is_gold.sum()), int((~data.is_gold).sum())
        new.counts_ = _counts(compared, len(names))
        new._learn(data._replace(y=data.y * compared.sign), compared)
        self.__dict__ = {**new.__dict__, **self.get_params(deep=False)}
        return self

    def _learn(self, data: TrainingData, compared: Compared) -> None:
        self._features = QueryFeatures.learn(data.X, self.n_components)
        features = self._features(data.X)
        self._unit = 1.0
        if self._adaptive:
            self._learn_jointly(data, features, compared)
        else:
            self._learn_by_shift(data, features, compared)
        if self.structure != "pairs":
            self._directions = score_directions(self._coef, min(self.rank, len(self.models_) - 1))
            self.embeddings_ = self._directions.loadings

    def _learn_jointly(self, data: TrainingData, features: FloatArray, compared: Compared) -> None:
        n_models = len(self.models_)
        gold = _gram(data, features, compared, data.is_gold, n_models)
        judged = ~data.is_gold
        preference = _gram(data, features, compared, judged, n_models)
        if self.structure == "bradley_terry" and preference is not None:
            fit = self._learn_votes(data, features, compared, gold)
        else:
            fit = fit_contrasts(gold, preference, n_models)
        if self.structure == "low_rank":
            loadings = score_directions(fit.scores, min(self.rank, n_models - 1)).loadings
            fit = fit_contrasts(
                gold, preference, n_models, loadings=loadings, start=_restart(fit, loadings)
            )
        self._coef, self._bias, self._covariance = fit.scores, fit.bias, fit.covariance
        self.components_ = fit.components

    def _learn_votes(
        self, data: TrainingData, features: FloatArray, compared: Compared, gold: Gram | None
    ) -> ContrastFit:
        """Fisher scoring: alternate between the mixed model and the working response of votes."""
        judged = ~data.is_gold
        y, n_models = data.y[judged], len(self.models_)
        require_votes(y)
        weight = np.ones(len(y)) if data.sample_weight is None else data.sample_weight[judged]
        votes, features = compared.take(judged), features[judged]
        lead, tie, fit = np.zeros(len(y)), tie_parameter(y, np.zeros(len(y)), weight), None
        for _ in range(_VOTE_STEPS):
            response, information = working_response(y, lead, tie)
            rows = ContrastRows(features, votes.first, votes.second, response, weight * information)
            judge = contrast_gram(_weighed(rows), n_models)
            start = None if fit is None else fit.components
            fit = fit_contrasts(gold, judge, n_models, start=start, max_iter=25)
            latent = _latent(fit, gold is not None)
            lead = np.einsum("nm,nm->n", features, latent[votes.first] - latent[votes.second])
            tie = tie_parameter(y, lead, weight)
        assert fit is not None
        self.tie_ = tie
        return fit

    def _learn_by_shift(self, data: TrainingData, features: FloatArray, compared: Compared) -> None:
        seed, n_models = seed_of(self.random_state), len(self.models_)
        covariates = with_models(features[:, 1:], compared.first, compared.second, n_models)
        both = self.n_gold_ > 0 and self.n_preference_ > 0
        scaler = GainScaler(self.scaling).fit(
            data.y, data.is_gold if both else None, data.sample_weight
        )
        self._unit = scaler.factor_
        y = scaler.transform(data.y, data.is_gold if both else None)
        usable = np.ones(len(y), dtype=bool)
        if both:
            self.shift_ = self._seeded_shift(seed).fit(
                covariates,
                y,
                data.is_gold,
                sample_weight=data.sample_weight,
                groups=data.groups,
            )
            y = np.where(data.is_gold, y, y + self.shift_.predict(covariates))
            usable = data.is_gold | self.shift_.in_overlap_
        weight = None if data.sample_weight is None else data.sample_weight[usable]
        self.regressor_ = fit_model(
            seeded(self._gain_regressor(), seed), covariates[usable], y[usable], weight
        )
        if self.structure != "pairs":
            self._coef = self.regressor_.coef_ / self._unit
            self._covariance = self.regressor_.covariance_ / self._unit**2

    def _seeded_shift(self, seed: int) -> ShiftLearner:
        given = self.shift
        shift = clone(given) if isinstance(given, ShiftLearner) else DRLearner(n_jobs=self.n_jobs)
        if self.structure != "pairs":
            own = shift.get_params(deep=False)
            missing = {name for name in ("outcome", "final") if own.get(name, 0) is None}
            ridge = ContrastRidge(len(self.models_))
            shift.set_params(**{name: clone(ridge) for name in missing})
        learner: ShiftLearner = seeded(shift, seed)
        return learner

    def _gain_regressor(self) -> Any:
        if self.structure != "pairs":
            return ContrastRidge(len(self.models_))
        return default_regressor(n_jobs=self.n_jobs) if self.regressor is None else self.regressor

    @property
    def _adaptive(self) -> bool:
        if self.structure == "pairs":
            return False
        return self.shift is None or isinstance(self.shift, str)

    # Predicting ------------------------------------------------------------------------------

    def scores(self, X: Any) -> FloatArray:
        """Return the models' scores, shape (n, n_models), in the units of the gold labels.

        Only differences within a row mean anything; every row has mean 0.
        """
        check_is_fitted(self, "models_")
        features = self._features(validate_features(self, X))
        if self.structure != "pairs":
            scores = features @ self._coef.T
            return scores - scores.mean(axis=1, keepdims=True)
        # The scores that are nearest to the gains of all pairs, in least squares.
        n_models = len(self.models_)
        scores = np.zeros((len(features), n_models))
        for first in range(n_models):
            for second in range(first + 1, n_models):
                gain = self._free_gain(features, first, second) / n_models
                scores[:, first] += gain
                scores[:, second] -= gain
        return scores

    def predict_gain(self, X: Any, k: str, l: str, *, return_std: bool = False) -> Any:  # noqa: E741
        """Return psi_kl, the expected gold gain of model k over model l.

        Parameters
        ----------
        X : array-like of shape (n, d)
        k, l : str
            Names of two models; of one model with itself the gain is 0.
        return_std : bool, default=False
            Also return posterior standard deviations of the gain; not for "pairs".

        Returns
        -------
        ndarray of shape (n,), or two of them
            In the units of the gold labels.

        Raises
        ------
        DataError
            If a model is unknown.
        MetaRouterError
            If standard deviations are asked of ``structure="pairs"``.
        """
        check_is_fitted(self, "models_")
        first, second = model_column(k, self.models_), model_column(l, self.models_)
        features = self._features(validate_features(self, X))
        if self.structure == "pairs":
            if return_std:
                raise MetaRouterError(
                    "structure='pairs' has no standard deviations; use structure='scores'."
                )
            return self._free_gain(features, first, second)
        gain = features @ (self._coef[first] - self._coef[second])
        if not return_std:
            return gain
        covariance = _of_difference(self._covariance, first, second, features.shape[1])
        variance = np.einsum("nm,mp,np->n", features, covariance, features)
        return gain, np.sqrt(np.maximum(variance, 0.0))

    def predict_shift(self, X: Any, k: str, l: str) -> FloatArray:  # noqa: E741
        """Return Delta-hat_kl, shape (n,): what to add to a preference label of k over l.

        In units of preference labels, in which a gold gain counts for the sensitivity (adaptive) or
        the factor of `GainScaler` times itself; for "bradley_terry" on the latent scale.

        Raises
        ------
        DataError
            If a model is unknown, or all labels came from one source.
        """
        check_is_fitted(self, "models_")
        first, second = model_column(k, self.models_), model_column(l, self.models_)
        features = self._features(validate_features(self, X))
        if self.n_gold_ == 0 or self.n_preference_ == 0:
            raise DataError("All labels came from one source, so no shift was learned.")
        if self._adaptive:
            return features @ (self._bias[first] - self._bias[second])
        if first == second:
            return np.zeros(len(features))
        sign = 1.0 if first < second else -1.0
        return sign * self.shift_.predict(self._covariates(features, first, second))

    def predict_preference(self, X: Any, k: str, l: str) -> FloatArray:  # noqa: E741
        """Return eta_kl, shape (n,): the mean preference label of k over l that is expected."""
        shift = self.predict_shift(X, k, l)
        unit = self.components_.sensitivity if self._adaptive else self._unit
        eta = unit * self.predict_gain(X, k, l) - shift
        return vote_moments(eta, self.tie_).mean if self.structure == "bradley_terry" else eta

    def predict(
        self,
        X: Any,
        *,
        cost: Any = None,
        latency: Any = None,
        preference: ArrayLike | None = None,
        cost_cap: float | None = None,
        latency_cap: float | None = None,
    ) -> NDArray[Any]:
        """Name the model that should answer each query.

        Parameters
        ----------
        X : array-like of shape (n, d)
        cost, latency : array-like of shape (n_models,) or (n, n_models), or dict, optional
            Of each model's call, in the order of ``models_`` or by name.
        preference : weights, optional
            (w_quality, w_cost), with latencies (w_quality, w_cost, w_latency), at least 0 and
            summing to 1. By default all alike, and quality alone without costs.
        cost_cap, latency_cap : float, optional
            What counts as 1 (BaRP, equation 1); the largest by default.

        Returns
        -------
        ndarray of str of shape (n,)
            The model of largest w_q theta_k(s) - w_c min(c_k / cap, 1); among equals the cheapest.

        Raises
        ------
        DataError
            If costs, weights or features are malformed.
        """
        chosen = choose_models(
            self.scores(X), self.models_, cost, latency, preference, (cost_cap, latency_cap)
        )
        return np.asarray(self.models_)[chosen]

    # A new model -----------------------------------------------------------------------------

    def add_model(
        self,
        name: str,
        X: Any,
        pairs: Any,
        y: ArrayLike,
        is_gold: ArrayLike | None = None,
    ) -> MultiModelMetaRouter:
        """Place one new model among the others, from a handful of comparisons with them.

        Its score is its own level plus a mixture of the ``rank`` directions in which the others'
        scores vary from query to query, shrunk by how much they vary. The others stay as they are.

        Parameters
        ----------
        name : str
            Its name; it becomes the last of ``models_``.
        X, pairs, y, is_gold
            Comparisons as in `fit`, each of the new model with one that is known.

        Returns
        -------
        MultiModelMetaRouter
            This router.

        Raises
        ------
        DataError
            If the model is known already, or a comparison is not of it with a known model.
        MetaRouterError
            If the structure is "pairs", or the shift is not adaptive.
        """
        check_is_fitted(self, "models_")
        if not self._adaptive:
            raise MetaRouterError(
                "A model can only be added where scores were learned with shift='adaptive'; fit "
                "anew with its comparisons."
            )
        name = str(name)
        require_new_name(name, self.models_)
        probe = clone(self)
        data = validate_training(probe, X, y, is_gold)
        features = self._features(validate_features(self, X))
        compared, names = validate_pairs(pairs, len(data.y))
        places = [*self.models_, name]
        column = np.array([model_column(given, places) for given in names])
        first, second = column[compared.first], column[compared.second]
        new = len(self.models_)
        strange = (first == new) == (second == new)
        if strange.any():
            row = int(strange.argmax())
            raise DataError(
                f"{int(strange.sum())} of {len(strange)} comparisons (first: row {row}) are not of "
                f"{name!r} with another model; leave them out."
            )
        turned = np.where(first == new, 1.0, -1.0) * compared.sign * data.y
        other = np.where(first == new, second, first)
        placed = new_model_scores(
            features,
            other,
            turned,
            data.is_gold,
            ContrastFit(self._coef, self._bias, self._covariance, self.components_, 0.0),
            self._directions,
            self.tie_ if self.structure == "bradley_terry" else None,
        )
        self.models_ = places
        self._coef = np.vstack([self._coef, placed.score])
        self._bias = np.vstack([self._bias, placed.bias])
        size = len(self._covariance)
        covariance = np.zeros((size + len(placed.score),) * 2)
        covariance[:size, :size] = self._covariance
        covariance[size:, size:] = placed.covariance
        self._covariance = covariance
        self.embeddings_ = np.vstack([self.embeddings_, placed.embedding])
        counts = np.zeros((new + 1, new + 1), dtype=np.intp)
        counts[:new, :new] = self.counts_
        added = np.bincount(other, minlength=new)
        counts[new, :new], counts[:new, new] = added, added
        self.counts_ = counts
        return self

    # Inside ----------------------------------------------------------------------------------

    def _covariates(self, features: FloatArray, first: int, second: int) -> FloatArray:
        low, high = (np.full(len(features), f(first, second), dtype=np.intp) for f in (min, max))
        return with_models(features[:, 1:], low, high, len(self.models_))

    def _free_gain(self, features: FloatArray, first: int, second: int) -> FloatArray:
        if first == second:
            return np.zeros(len(features))
        sign = 1.0 if first < second else -1.0
        gain = predict_mean(self.regressor_, self._covariates(features, first, second))
        return sign * gain / self._unit

    def _check_parameters(self) -> None:
        check_parameters(self)
        if self.structure in ("bradley_terry", "low_rank") and isinstance(self.shift, ShiftLearner):
            raise MetaRouterError(
                f"structure={self.structure!r} learns its bias itself; leave shift out, or use "
                "structure='scores'."
            )
        if self.structure == "pairs" and self.shift == "adaptive":
            raise MetaRouterError(
                "structure='pairs' has no adaptive shift; leave shift out, or give a shift learner."
            )
        if self.structure != "pairs" and self.regressor is not None:
            raise MetaRouterError(
                f"structure={self.structure!r} has its own regressor; leave regressor out, or use "
                "structure='pairs'."
            )


def _gram(
    data: TrainingData,
    features: FloatArray,
    compared: Compared,
    rows: NDArray[np.bool_],
    n_models: int,
) -> Gram | None:
    if not rows.any():
        return None
    weight = np.ones(int(rows.sum())) if data.sample_weight is None else data.sample_weight[rows]
    part = compared.take(rows)
    return contrast_gram(
        _weighed(ContrastRows(features[rows], part.first, part.second, data.y[rows], weight)),
        n_models,
    )


def _weighed(rows: ContrastRows) -> ContrastRows:
    """Bring the weights to mean 1, since only the errors' variance says what they weigh."""
    used = rows.weight > 0
    weight = rows.weight[used] / rows.weight[used].mean()
    return ContrastRows(
        rows.features[used], rows.first[used], rows.second[used], rows.y[used], weight
    )


def _latent(fit: ContrastFit, has_gold: bool) -> FloatArray:
    return fit.components.sensitivity * fit.scores - fit.bias if has_gold else fit.scores


def _restart(fit: ContrastFit, loadings: FloatArray) -> VarianceComponents | None:
    """Begin where the slopes of unit factors would have the size that they were found to have."""
    if np.isnan(fit.components.gold_noise) or np.isnan(fit.components.preference_noise):
        return None
    size = float(np.sqrt(np.mean(loadings**2) * loadings.shape[1]))
    return replace(fit.components, score_slope=fit.components.score_slope / max(size, 1e-6))


def _counts(compared: Compared, n_models: int) -> NDArray[np.intp]:
    counts = np.zeros((n_models, n_models), dtype=np.intp)
    np.add.at(counts, (compared.first, compared.second), 1)
    return counts + counts.T


def _of_difference(covariance: FloatArray, k: int, l: int, m: int) -> FloatArray:  # noqa: E741
    a, b = slice(k * m, (k + 1) * m), slice(l * m, (l + 1) * m)
    return covariance[a, a] + covariance[b, b] - covariance[a, b] - covariance[b, a]
