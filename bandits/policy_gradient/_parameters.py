"""All parameters of a policy in one flat array, and the named views into it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bandits.policy_gradient._heads import HEADS, Arrays, Head, Sizes

__all__ = ["Layout"]

Flat = NDArray[np.float32]


@dataclass(frozen=True)
class Layout:
    """Which part of a flat array is which parameter.

    One array, so that an optimiser's step, a copy to another device and a file are one operation.
    """

    head: str
    sizes: Sizes

    @property
    def of_head(self) -> Head:
        """The head's two passes."""
        return HEADS[self.head]

    @cached_property
    def places(self) -> list[tuple[str, tuple[int, ...], slice]]:
        """Name, shape and place in the flat array of every parameter."""
        shapes = self.of_head.shapes(self.sizes)
        stops = np.cumsum([prod(shape) for shape in shapes.values()]).tolist()
        starts = [0, *stops]
        return [
            (name, shape, slice(start, stop))
            for (name, shape), start, stop in zip(shapes.items(), starts, stops, strict=False)
        ]

    @property
    def size(self) -> int:
        """Number of parameters."""
        return int(self.places[-1][-1].stop)

    def views(self, flat: Any) -> Arrays:
        """Return the parameters by name, as views into a flat numpy array or torch tensor."""
        return {name: flat[place].reshape(shape) for name, shape, place in self.places}

    def drawn(self, rng: Generator) -> Flat:
        """Draw every parameter uniformly within 1 / sqrt(inputs), as torch's linear layers do."""
        flat = np.empty(self.size, dtype=np.float32)
        inputs = 1
        for name, view in self.views(flat).items():
            if not _is_offset(name):
                inputs = view.shape[0]
            view[...] = rng.uniform(-1.0, 1.0, view.shape) / np.sqrt(inputs)
        return flat

    def is_weight(self) -> NDArray[np.bool_]:
        """Mark what weight decay applies to: everything but offsets."""
        flat = np.empty(self.size, dtype=bool)
        for name, view in self.views(flat).items():
            view[...] = not _is_offset(name)
        return flat

    def embeddings(self, flat: Flat) -> Flat:
        """Return what belongs to the arms, shape (F, n_arms), as `Head.features` wants it."""
        views = self.views(flat)
        return np.concatenate(
            [views[k].reshape(-1, self.sizes.n_arms) for k in self.of_head.of_arms]
        )

    def embed(self, flat: Flat, position: int, embedding: Flat) -> None:
        """Write what belongs to one arm, shape (F,)."""
        views, start = self.views(flat), 0
        for name in self.of_head.of_arms:
            column = views[name][..., position]
            column[...] = embedding[start : start + column.size].reshape(column.shape)
            start += column.size

    def with_column(self, flat: Flat, like: int | None, weight: float) -> Flat:
        """Return the parameters with one more arm, which starts like the mean arm or like one.

        Parameters
        ----------
        flat : ndarray
        like : int, optional
            Position of the arm to start from.
        weight : float
            Share of that arm in the start, from 0 to 1; the rest is the mean of all.
        """

        def column(values: Any) -> Any:
            mean = values.mean(axis=-1, keepdims=True)
            if like is None:
                return mean
            return weight * values[..., like, None] + (1.0 - weight) * mean

        return self._rebuilt(flat, lambda values: np.append(values, column(values), axis=-1))

    def of_arms(self, n_arms: int) -> Layout:
        """Return the layout of the same policy for another number of arms."""
        return Layout(self.head, self.sizes._replace(n_arms=n_arms))

    def without_column(self, flat: Flat, position: int) -> Flat:
        """Return the parameters without the arm at a position."""
        return self._rebuilt(flat, lambda values: np.delete(values, position, axis=-1))

    def _rebuilt(self, flat: Flat, change: Any) -> Flat:
        of_arms = self.of_head.of_arms
        return np.concatenate(
            [
                (change(view) if name in of_arms else view).ravel()
                for name, view in self.views(flat).items()
            ]
        ).astype(np.float32)


def _is_offset(name: str) -> bool:
    return name.startswith("b")
