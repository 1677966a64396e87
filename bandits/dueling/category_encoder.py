"""Contrastive fine-tuning on category labels: queries of one category move together."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.utils.validation import check_is_fitted

from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.devices import require_torch
from metarouter.utils.features import validate_matrix
from metarouter.utils.parameters import LABELS, number, whole
from metarouter.utils.random import seed_of

__all__ = ["CategoryEncoder", "category_means"]

Array = NDArray[np.float64]


class CategoryEncoder(TransformerMixin, BaseEstimator):
    """Project query features so that categories separate, and embed the categories.

    This is the first step of category-calibrated fine-tuning (CCFT). By default the encoder is
    frozen and a linear head on its features is trained with the supervised contrastive loss
    (Khosla et al. 2020, equation 2); which loss and encoder the paper tunes is not public. Rows
    come out with unit length; the embedding of a category is the mean over its queries.

    Parameters
    ----------
    n_components : int, optional
        Width of the output; by default that of the input.
    n_categories : int, default=8
        Clusters to take for categories where `fit` is given none (k-means on unit vectors).
    temperature : float, default=0.1
        Of the contrastive loss, above 0.
    epochs : int, default=100
        Full passes of Adam; 0 leaves the head at its start.
    learning_rate : float, default=0.01
    random_state : int, RandomState or None

    Attributes
    ----------
    categories_ : ndarray of shape (n_categories,)
        Names of the categories, sorted.
    category_embeddings_ : ndarray of shape (n_categories, n_components)
    head_ : ndarray of shape (n_features, n_components)
    labels_ : ndarray of shape (n,)
        Category of each query that was fitted.
    loss_ : list of float
        The contrastive loss before every epoch.

    Notes
    -----
    The head begins at the leading principal directions of the queries (all directions, unrotated,
    where the width is kept), so that without training it is the generic encoder. With a real
    encoder to tune, embed the texts with `sentence_transformers` (extra ``encoders``) after tuning
    it there, and leave `epochs` at 0.

    References
    ----------
    .. [1] Khosla et al. (2020), Supervised contrastive learning, arXiv:2004.11362.
    .. [2] Chiang, Ishida & Sugiyama (2025), LLM routing with dueling feedback, arXiv:2510.00841.

    Examples
    --------
    >>> X = np.array([[1.0, 0.1], [0.9, 0.2], [0.1, 1.0], [0.2, 0.9]])
    >>> encoder = CategoryEncoder(epochs=20, random_state=0).fit(X, ["math", "math", "law", "law"])
    >>> encoder.categories_.tolist(), encoder.transform(X).shape
    (['law', 'math'], (4, 2))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_components": [whole(), None],
        "n_categories": [whole(at_least=2)],
        "temperature": [number(above=0)],
        "epochs": [whole(at_least=0)],
        "learning_rate": [number(above=0)],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        n_categories: int = 8,
        temperature: float = 0.1,
        epochs: int = 100,
        learning_rate: float = 0.01,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_categories = n_categories
        self.temperature = temperature
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike | None = None) -> Self:
        """Train the head and embed the categories; on any error nothing changes.

        Parameters
        ----------
        X : array of shape (n, n_features)
            Features of offline queries, some per category.
        y : array of shape (n,), optional
            Their categories; by default clusters.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If X is malformed, labels do not match, there is one category only, or fewer queries
            than clusters.
        """
        fresh = copy.copy(self)
        fresh._fit(X, y)
        self.__dict__ = fresh.__dict__
        return self

    def _fit(self, X: Any, y: ArrayLike | None) -> None:
        features = _unit(np.asarray(validate_matrix(self, X, reset=True), dtype=np.float64))
        seed = seed_of(self.random_state)
        labels = self._clusters(features, seed) if y is None else check_labels(y, len(features))
        names, code = np.unique(labels, return_inverse=True)
        if len(names) < 2:
            raise DataError(
                f"All queries are of one category, {names.tolist()[0]!r}; give at least two, or "
                "leave the labels out to cluster the queries."
            )
        width = self.n_components or features.shape[1]
        if width > features.shape[1]:
            raise DataError(
                f"n_components is {width} but X has {features.shape[1]} columns; give at most that."
            )
        start = _principal_head(features, width)
        self.head_: Array = start
        self.loss_: list[float] = []
        if self.epochs:
            self.head_, self.loss_ = _train_head(
                features, code, start, self.temperature, self.epochs, self.learning_rate
            )
        self.categories_, self.labels_ = names, labels
        self.category_embeddings_ = category_means(self._project(features), labels, names)

    def transform(self, X: Any) -> Array:
        """Return encoded queries of unit length, shape (n, n_components)."""
        check_is_fitted(self, "head_")
        features = _unit(np.asarray(validate_matrix(self, X, reset=False), dtype=np.float64))
        return self._project(features)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the category whose embedding is nearest in angle, shape (n,)."""
        nearness = self.transform(X) @ _unit(self.category_embeddings_).T
        return np.asarray(self.categories_[nearness.argmax(axis=1)])

    def _project(self, features: Array) -> Array:
        return _unit(features @ self.head_)

    def _clusters(self, features: Array, seed: int) -> NDArray[Any]:
        if len(features) < self.n_categories:
            raise DataError(
                f"X has {len(features)} rows, fewer than the {self.n_categories} clusters; give "
                "more queries, or set n_categories lower."
            )
        return np.asarray(
            KMeans(self.n_categories, n_init=5, random_state=seed).fit_predict(features)
        )


@validated(labels=[LABELS], categories=[LABELS])
def category_means(values: ArrayLike, labels: ArrayLike, categories: ArrayLike) -> Array:
    """Return the mean of every column within each category, shape (n_categories, n_columns).

    Parameters
    ----------
    values : array of shape (n, n_columns)
        Encoded queries, or the quality or cost of every model; NaN where none was recorded.
    labels : array of shape (n,)
    categories : array of shape (n_categories,)

    Raises
    ------
    DataError
        If a category has no query, or a column nothing recorded in one.

    Examples
    --------
    >>> category_means([[1.0], [3.0], [5.0]], ["a", "a", "b"], ["a", "b"]).ravel().tolist()
    [2.0, 5.0]
    """
    table, labels = np.asarray(values, dtype=np.float64), np.asarray(labels)
    if np.isinf(table).any():
        raise DataError("values holds infinite numbers; give finite ones, or NaN for none.")
    if table.ndim != 2 or len(table) != len(labels):
        raise DataError(
            f"values has shape {table.shape} but there are {len(labels)} labels; give one row per "
            "query."
        )
    if labels.ndim != 1 or np.ndim(categories) != 1:
        raise DataError(
            f"labels has shape {labels.shape} and categories {np.shape(categories)}; give one "
            "category per query, and a list of categories."
        )
    means = []
    for category in np.asarray(categories).tolist():
        rows = table[labels == category]
        counts = (~np.isnan(rows)).sum(axis=0)
        if not len(rows) or not counts.all():
            what = "query" if not len(rows) else f"value in column {int(np.argmin(counts))}"
            raise DataError(
                f"categories names {category!r}, which has no {what}; leave it out, or give "
                "offline queries of it."
            )
        means.append(np.nansum(rows, axis=0) / counts)
    return np.array(means)


def check_labels(y: ArrayLike, n_rows: int) -> NDArray[Any]:
    """Return one category per row.

    Raises
    ------
    DataError
    """
    labels = np.asarray(y)
    if labels.shape != (n_rows,):
        raise DataError(
            f"y has shape {labels.shape} but X has {n_rows} rows; give one category per query."
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise DataError("y holds NaN; give every query a category, or leave the labels out.")
    if labels.dtype == object:
        return labels.astype(str)
    return labels


def _unit(rows: Array) -> Array:
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return np.asarray(rows / np.maximum(length, 1e-150))


def _principal_head(features: Array, width: int) -> Array:
    """Return the directions in which the queries spread most, about zero."""
    if width == features.shape[1]:
        return np.eye(width)
    directions = np.linalg.svd(features, full_matrices=True)[2][:width]
    # The sign of a direction is arbitrary: its largest entry is positive.
    largest = np.abs(directions).argmax(axis=1)
    return np.asarray((directions * np.sign(directions[np.arange(width), largest])[:, None]).T)


def _train_head(
    features: Array,
    code: NDArray[np.intp],
    start: Array,
    temperature: float,
    epochs: int,
    learning_rate: float,
) -> tuple[Array, list[float]]:
    """Minimise the supervised contrastive loss over linear heads.

    For query i and the others P(i) of its category, with unit vectors u::

        L_i = -1 / |P(i)| sum_{p in P(i)} log [exp(u_i u_p / t) / sum_{a != i} exp(u_i u_a / t)]
    """
    require_torch("CategoryEncoder")
    import torch
    from torch.nn.functional import normalize

    rows = torch.as_tensor(features)
    labels = torch.as_tensor(code)
    others = ~torch.eye(len(rows), dtype=torch.bool)
    positive = (labels[:, None] == labels[None, :]) & others
    has_partner = positive.any(dim=1)
    head = torch.tensor(start, requires_grad=True)
    adam = torch.optim.Adam([head], lr=learning_rate)
    losses: list[float] = []
    if not bool(has_partner.any()):
        raise DataError("No category has two queries, so that none could move together; give more.")
    for _ in range(epochs):
        unit = normalize(rows @ head, dim=1)
        logits = (unit @ unit.T / temperature).masked_fill(~others, -torch.inf)
        chance = (logits - torch.logsumexp(logits, dim=1, keepdim=True)).masked_fill(~positive, 0.0)
        loss = -(chance.sum(dim=1) / positive.sum(dim=1).clamp(min=1))[has_partner].mean()
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        losses.append(float(loss.detach()))
    return head.detach().numpy().copy(), losses
