"""A deep network as a regressor of scikit-learn: one more class H of section 3.1 of Meta-Router."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from metarouter.exceptions import DataError
from metarouter.utils.devices import device_of, import_torch
from metarouter.utils.parameters import number, several, whole
from metarouter.utils.random import seed_of
from metarouter.utils.validation import validate_features, validate_training

FloatArray = NDArray[np.float64]


class TorchRegressor(RegressorMixin, BaseEstimator):
    """A network of fully connected layers, trained by torch and predicting without it.

    Features and labels are standardised inside. Training minimises the (weighted) squared error by
    AdamW in batches, with a cosine schedule of the learning rate. What is learned is kept as
    arrays, so that a fitted regressor is saved without pickle and predicts where torch is absent.

    Parameters
    ----------
    hidden : sequence of int, default=(64, 64)
        Units of the hidden layers.
    epochs : int, default=60
    batch_size : int, default=32
    learning_rate : float, default=0.003
    weight_decay : float, default=0.1
        Of AdamW: weights are shrunken by this times the learning rate in every step.
    device : str or None, default=None
        A device of torch, such as ``"cuda"`` or ``"cpu"``; None takes a GPU where there is one.
    random_state : int, RandomState or None
        The same seed gives the same network on one kind of device.

    Attributes
    ----------
    coefs_ : list of ndarray
        Weights of the layers, (inputs, outputs) each, of standardised features and labels.
    intercepts_ : list of ndarray
    loss_curve_ : list of float
        Mean squared error of every epoch, in squared standard deviations of the labels.
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np  # doctest: +SKIP
    >>> X = np.random.default_rng(0).normal(size=(500, 2))  # doctest: +SKIP
    >>> model = TorchRegressor(random_state=0).fit(X, np.sin(2 * X[:, 0]))  # doctest: +SKIP
    >>> bool(model.score(X, np.sin(2 * X[:, 0])) > 0.9)  # doctest: +SKIP
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "hidden": [several(whole())],
        "epochs": [whole()],
        "batch_size": [whole()],
        "learning_rate": [number(above=0)],
        "weight_decay": [number(at_least=0)],
        "device": [str, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        hidden: Sequence[int] = (64, 64),
        *,
        epochs: int = 60,
        batch_size: int = 32,
        learning_rate: float = 0.003,
        weight_decay: float = 0.1,
        device: str | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> TorchRegressor:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n, d)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        TorchRegressor

        Raises
        ------
        DataError
            If a parameter or the data are malformed, or training diverged.
        MetaRouterError
            If torch is missing.
        """
        data = validate_training(self, X, y, None, sample_weight)
        features, labels = data.X.astype(np.float64), data.y
        weight = np.ones(len(labels)) if data.sample_weight is None else data.sample_weight
        self._standardise(features, labels, weight)
        self.coefs_, self.intercepts_, self.loss_curve_ = self._train(
            (features - self.mean_) / self.scale_,
            (labels - self.label_mean_) / self.label_scale_,
            weight / weight.mean(),
        )
        return self

    def predict(self, X: Any) -> FloatArray:
        """Return the expected label, shape (n,)."""
        check_is_fitted(self)
        layer = (validate_features(self, X).astype(np.float64) - self.mean_) / self.scale_
        last = len(self.coefs_) - 1
        for place, (coefficients, intercept) in enumerate(
            zip(self.coefs_, self.intercepts_, strict=True)
        ):
            layer = layer @ coefficients + intercept
            if place < last:
                layer = np.maximum(layer, 0.0)
        return np.asarray(self.label_mean_ + self.label_scale_ * layer[:, 0])

    def _standardise(self, X: FloatArray, y: FloatArray, weight: FloatArray) -> None:
        share = weight / weight.sum()
        self.mean_ = share @ X
        self.scale_ = positive_scale(np.sqrt(share @ (X - self.mean_) ** 2))
        self.label_mean_ = float(share @ y)
        self.label_scale_ = float(positive_scale(np.sqrt(share @ (y - self.label_mean_) ** 2)))

    def _train(
        self, X: FloatArray, y: FloatArray, weight: FloatArray
    ) -> tuple[list[FloatArray], list[FloatArray], list[float]]:
        torch = import_torch("TorchRegressor")
        seed = seed_of(self.random_state)
        device = device_of(self.device, "TorchRegressor")
        # A generator of its own: nothing outside is seeded.
        generator = torch.Generator().manual_seed(seed)
        sizes = [X.shape[1], *self.hidden, 1]
        layers = [draw_layer(torch, *pair, generator) for pair in pairwise(sizes)]
        layers[-1][0].zero_()  # training starts from the mean label, not from a random function
        parameters = [part.to(device).requires_grad_() for pair in layers for part in pair]
        inputs, labels, weights = (
            torch.as_tensor(part, dtype=torch.float32, device=device) for part in (X, y, weight)
        )
        optimiser = torch.optim.AdamW(
            parameters, lr=self.learning_rate, weight_decay=self.weight_decay
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.epochs)
        losses = []
        for _ in range(self.epochs):
            total = torch.zeros((), device=device)
            order = torch.randperm(len(labels), generator=generator).to(device)
            for batch in order.split(self.batch_size):
                optimiser.zero_grad()
                error = _forward(torch, parameters, inputs[batch]) - labels[batch]
                loss = (weights[batch] * error**2).mean()
                loss.backward()
                optimiser.step()
                total = total + loss.detach() * len(batch)
            schedule.step()
            losses.append(float(total) / len(labels))
        check_converged(losses)
        learned = [part.detach().cpu().numpy().astype(np.float64) for part in parameters]
        return learned[::2], learned[1::2], losses


def draw_layer(torch: Any, n_in: int, n_out: int, generator: Any) -> tuple[Any, Any]:
    """Draw the weights of a layer as He et al. (2015) do; intercepts begin at 0."""
    weights = torch.randn(n_in, n_out, generator=generator) * np.sqrt(2 / max(n_in, 1))
    return weights, torch.zeros(n_out)


def _forward(torch: Any, parameters: list[Any], X: Any) -> Any:
    for place in range(0, len(parameters), 2):
        X = X @ parameters[place] + parameters[place + 1]
        if place + 2 < len(parameters):
            X = torch.relu(X)
    return X[:, 0]


def check_converged(losses: Sequence[float]) -> None:
    """Refuse a training whose losses are not finite."""
    if not np.isfinite(losses).all():
        raise DataError(
            "Training diverged: the parameters are not finite; lower learning_rate, or scale "
            "the weights."
        )


def positive_scale(scale: Any) -> Any:
    """Return standard deviations to divide by: 1 where there is none."""
    return np.where(scale > 0, scale, 1.0)
