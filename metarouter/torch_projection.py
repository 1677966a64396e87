"""Query features learned from labels of both sources and from unlabelled traffic.

Meta-Router, A.4: "GS+PB queries drive the CATE loss in this learned space", and queries of real
traffic regularise it by smoothness.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from metarouter.nuisance import Nuisances
from metarouter.torch_regressor import (
    check_converged,
    draw_layer,
    positive_scale,
)
from metarouter.utils.devices import device_of, import_torch
from metarouter.utils.parameters import CLASSIFIER, check_parameters, number, one_of, whole
from metarouter.utils.random import seed_of
from metarouter.utils.validation import (
    TrainingData,
    require_both_sources,
    validate_features,
    validate_training,
)

FloatArray = NDArray[np.float64]

_UNITS = 32  # of each head
_MOST_NEIGHBOURED = 5000
_HELD_OUT = 0.2
_FEWEST_TO_HOLD_OUT = 20


class TorchProjection(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A linear projection trained by the loss of the R-learner plus smoothness over traffic.

    Of z = C (x - mean) / scale, two small networks predict the marginal outcome gamma and the shift
    Delta. Projection and networks minimise the R-loss (Meta-Router, eq. S3), with gamma as a
    network of its own and the propensity cross-fitted,

        mean (o - gamma(z) - (t - p) Delta(z))^2 + smoothness * mean (f(z) - f(z'))^2,

    where the second mean is over pairs of neighbours among all queries, labelled or not, and over
    f = gamma, Delta [1]_. C begins with the principal components of all queries; the networks are
    trained first. A fifth of the labels is held out, and C leaves the principal components only
    where the R-loss of the held-out labels falls. Only C is kept: it predicts where torch is
    absent, and is saved without pickle.

    (Smoothness under random perturbations of x would penalise the slope alike in every
    direction, wherever traffic is; pairs of neighbours know where it is.)

    Parameters
    ----------
    n_components : int, default=10
        Columns of the result; of fewer features or queries, as many as these.
    smoothness : float, default=1.0
        In squared standard deviations of the labels. 0 learns from labels alone.
    n_neighbors : int, default=10
        Neighbours of each query, among at most 5,000 queries drawn from all.
    propensity : classifier, "constant" or None, default="constant"
        Learner of P(gold | s), as in `RLearner`; "constant" says that gold queries were drawn at
        random.
    epochs : int, default=200
        Steps of Adam over all labels, first of the networks alone, then as many of everything.
    learning_rate : float, default=0.01
    weight_decay : float, default=0.1
    device : str or None, default=None
        A device of torch; None takes a GPU where there is one.
    random_state : int, RandomState or None

    Attributes
    ----------
    components_ : ndarray of shape (n_components, d)
        C, for features in standard deviations.
    mean_, scale_ : ndarrays of shape (d,)
        Of all queries.
    loss_curve_ : list of float
        R-loss of the held-out labels (of all, where there are fewer than 20) after every step of
        everything, in variances of the labels; the first is that of the principal components.
    n_steps_ : int
        Steps that C is away from the principal components; 0 where no step helped.

    References
    ----------
    .. [1] Belkin, Niyogi & Sindhwani (2006), Manifold regularization: a geometric framework for
       learning from labeled and unlabeled examples, JMLR 7.
    .. [2] Shalit, Johansson & Sontag (2017), Estimating individual treatment effect:
       generalization bounds and algorithms (one representation, one head per outcome).

    Examples
    --------
    >>> import numpy as np  # doctest: +SKIP
    >>> X = np.random.default_rng(0).normal(size=(500, 30))  # doctest: +SKIP
    >>> y = np.sin(2 * X[:, 0])  # doctest: +SKIP
    >>> projection = TorchProjection(2, random_state=0).fit(X, y)  # doctest: +SKIP
    >>> projection.transform(X).shape  # doctest: +SKIP
    (500, 2)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_components": [whole()],
        "smoothness": [number(at_least=0)],
        "n_neighbors": [whole()],
        "propensity": [CLASSIFIER, one_of("constant"), None],
        "epochs": [whole()],
        "learning_rate": [number(above=0)],
        "weight_decay": [number(at_least=0)],
        "device": [str, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int = 10,
        *,
        smoothness: float = 1.0,
        n_neighbors: int = 10,
        propensity: Any = "constant",
        epochs: int = 200,
        learning_rate: float = 0.01,
        weight_decay: float = 0.1,
        device: str | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.smoothness = smoothness
        self.n_neighbors = n_neighbors
        self.propensity = propensity
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        is_gold: ArrayLike | None = None,
        *,
        unlabelled: Any = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> TorchProjection:
        """Learn the projection.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Labelled queries.
        y : array-like of shape (n,)
            Quality gains, gold and preference labels on one scale (see ``GainScaler``).
        is_gold : array-like of bool of shape (n,), optional
            Source of each label; None means that all are gold: then only the outcome is learned.
        unlabelled : array-like of shape (m, d), optional
            Queries of the traffic.
        sample_weight : array-like of shape (n,), optional
        groups : array-like of shape (n,), optional
            Rows with one value are held out together.

        Raises
        ------
        DataError
            If a parameter or the data are malformed, or training diverged.
        MetaRouterError
            If torch is missing.
        """
        data = validate_training(self, X, y, is_gold, sample_weight, groups)
        traffic = [] if unlabelled is None else [validate_features(self, unlabelled)]
        queries = np.vstack([data.X, *traffic]).astype(np.float64)
        if is_gold is not None:
            require_both_sources(data.is_gold)
        check_parameters(self)
        seed = seed_of(self.random_state)
        residual = np.zeros(len(data.y)) if is_gold is None else self._source_residual(data, seed)

        self.mean_, self.scale_ = queries.mean(axis=0), positive_scale(queries.std(axis=0))
        queries = (queries - self.mean_) / self.scale_
        labels = _Labels(
            queries[: len(data.y)],
            _standardised(data.y),
            residual,
            np.ones(len(data.y)) if data.sample_weight is None else data.sample_weight,
        )
        start = _principal_components(queries, self.n_components, seed)
        held_out = _held_out(data, seed)
        pairs = _neighbours(queries, self.n_neighbors, seed) if self.smoothness else None
        self.components_, self.n_steps_, self.loss_curve_ = self._train(
            start, labels, held_out, queries, pairs, seed
        )
        self._n_features_out = len(self.components_)
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """Project queries: shape (n, n_components), in the precision of X."""
        check_is_fitted(self, "components_")
        X = validate_features(self, X)
        projected = (X.astype(np.float64) - self.mean_) / self.scale_ @ self.components_.T
        return projected.astype(X.dtype if X.dtype == np.float32 else np.float64)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _source_residual(self, data: TrainingData, seed: int) -> FloatArray:
        nuisances = Nuisances(propensity=self.propensity, random_state=seed)
        nuisances.fit_validated(data, ("propensity",))
        return np.asarray(data.is_gold - nuisances.propensity_)

    def _train(
        self,
        start: FloatArray,
        labels: _Labels,
        held_out: NDArray[np.bool_],
        queries: FloatArray,
        pairs: NDArray[np.intp] | None,
        seed: int,
    ) -> tuple[FloatArray, int, list[float]]:
        torch = import_torch("TorchProjection")
        device = device_of(self.device, "TorchProjection")

        def tensor(values: Any) -> Any:
            return torch.as_tensor(values, dtype=torch.float32, device=device)

        # A generator of its own: nothing outside is seeded.
        generator = torch.Generator().manual_seed(seed)
        projection = tensor(start.T).requires_grad_()
        hidden = draw_layer(torch, len(start), 2 * _UNITS, generator)
        heads = [*hidden, torch.zeros(_UNITS, 2), torch.zeros(2)]
        heads = [part.to(device).requires_grad_() for part in heads]

        def outputs(features: Any) -> Any:
            """Return gamma and Delta, one column each."""
            inner = torch.relu(features @ projection @ heads[0] + heads[1])
            return (inner.reshape(-1, 2, _UNITS) * heads[2].T).sum(dim=2) + heads[3]

        def r_loss(part: _Labels) -> Any:
            found = outputs(part.X)
            error = part.y - found[:, 0] - part.source_residual * found[:, 1]
            return (part.weight * error**2).sum() / part.weight.sum()

        checked = held_out if held_out.any() else ~held_out
        train = _Labels(*(tensor(values[~held_out]) for values in labels))
        test = _Labels(*(tensor(values[checked]) for values in labels))
        everything = tensor(queries) if pairs is not None else None
        first, second = (None, None) if pairs is None else torch.as_tensor(pairs, device=device)

        def loss() -> Any:
            if everything is None:
                return r_loss(train)
            found = outputs(everything)
            rough = ((found[first] - found[second]) ** 2).mean()
            return r_loss(train) + self.smoothness * rough

        def run(parameters: list[Any]) -> tuple[list[float], list[NDArray[Any]]]:
            """Take all steps; return held-out losses and projections, from before the first on."""
            optimiser = torch.optim.AdamW(
                parameters, lr=self.learning_rate, weight_decay=self.weight_decay
            )
            losses, projections = [], []
            for step in range(self.epochs + 1):
                with torch.no_grad():
                    losses.append(float(r_loss(test)))
                    projections.append(projection.detach().cpu().numpy().copy())
                if step < self.epochs:
                    optimiser.zero_grad()
                    loss().backward()
                    optimiser.step()
            return losses, projections

        run(heads)
        losses, projections = run([projection, *heads])
        check_converged(losses)
        best = int(np.argmin(losses))
        return projections[best].T.astype(np.float64), best, losses


class _Labels(NamedTuple):
    X: Any
    y: Any
    source_residual: Any
    weight: Any


def _standardised(y: FloatArray) -> FloatArray:
    return np.asarray((y - y.mean()) / positive_scale(y.std()))


def _principal_components(queries: FloatArray, n_components: int, seed: int) -> FloatArray:
    """Return directions of the largest variance, such that projections have variance 1."""
    most = min(n_components, *queries.shape)
    found = PCA(most, random_state=seed).fit(queries)
    scale = positive_scale(np.sqrt(found.explained_variance_))
    return np.asarray(found.components_ / scale[:, None])


def _held_out(data: TrainingData, seed: int) -> NDArray[np.bool_]:
    """Mark a fifth of the labels, of both sources alike; none where there are few."""
    chosen = np.zeros(len(data.y), dtype=bool)
    sizes = np.bincount(data.is_gold, minlength=2)
    if len(data.y) < _FEWEST_TO_HOLD_OUT or sizes.min() == 1:
        return chosen
    if data.groups is not None and len(np.unique(data.groups)) > 1:
        splitter: Any = GroupShuffleSplit(1, test_size=_HELD_OUT, random_state=seed)
    else:
        kind = StratifiedShuffleSplit if sizes.min() else ShuffleSplit
        splitter = kind(1, test_size=_HELD_OUT, random_state=seed)
    chosen[next(splitter.split(data.X, data.is_gold, data.groups))[1]] = True
    return chosen


def _neighbours(queries: FloatArray, n_neighbors: int, seed: int) -> NDArray[np.intp] | None:
    """Return pairs of positions of near queries, (2, pairs)."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(queries))[:_MOST_NEIGHBOURED])
    near = min(n_neighbors, len(rows) - 1)
    if near < 1:
        return None
    found = NearestNeighbors(n_neighbors=near).fit(queries[rows]).kneighbors(return_distance=False)
    return np.stack([np.repeat(rows, near), rows[found.ravel()]])
