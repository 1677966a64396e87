"""Gradient descent with a checkpoint that is chosen on queries held back from training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Parameters", "as_arrays", "best_checkpoint", "glorot", "tensor"]

Parameters = dict[str, Tensor]


def best_checkpoint(
    parameters: Parameters,
    epoch: Callable[[], None],
    utility: Callable[[], float],
    *,
    max_epochs: int,
    patience: int,
) -> Parameters:
    """Train, and return the parameters whose utility on held-back queries was the highest.

    Parameters
    ----------
    parameters : dict of str to Tensor
        Changed in place by `epoch`.
    epoch : callable
        One pass of training.
    utility : callable
        Mean utility of the arms that the present parameters choose on the held-back queries.
    max_epochs : int
    patience : int
        Stop after this many epochs without a new best.
    """
    best, kept, since = -np.inf, parameters, 0
    for _ in range(max_epochs):
        epoch()
        with torch.no_grad():
            value = utility()
        since += 1
        if value > best:
            best, since = value, 0
            kept = {name: value.detach().clone() for name, value in parameters.items()}
        if since >= patience:
            break
    return kept


def glorot(generator: torch.Generator, *shape: int) -> Tensor:
    """Draw a matrix of weights (Glorot and Bengio 2010)."""
    weights = torch.empty(shape)
    torch.nn.init.xavier_uniform_(weights, generator=generator)
    return weights


def tensor(values: NDArray[np.generic]) -> Tensor:
    """Take an array over, floats in single precision."""
    return torch.from_numpy(
        np.array(values, dtype=np.float32 if values.dtype.kind == "f" else None)
    )


def as_arrays(parameters: Parameters) -> dict[str, NDArray[np.float32]]:
    """Return what was learned, free of torch."""
    return {name: value.detach().numpy().copy() for name, value in parameters.items()}
