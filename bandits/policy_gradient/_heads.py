"""The networks of BaRP: preference encoder and decision heads, forward and backward by hand.

The forward passes are written in what numpy and torch have in common: torch trains, numpy routes.
The backward passes are torch. Gradients are written by hand because a step on 32 queries costs less
than what automatic differentiation spends on keeping its books; `tests` compare the two.

Shapes: x (n, d) features, w (n, m) preferences or (1, m) for all rows, logits (n, K). Arrays that
belong to arms have the arms as their last axis, so that an arm is a column that comes and goes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np

__all__ = ["HEADS", "BilinearHead", "Head", "LinearHead", "MLPHead", "Sizes", "TradeOffHead"]

Arrays = dict[str, Any]
Shapes = dict[str, tuple[int, ...]]


class Sizes(NamedTuple):
    """What the shapes of the parameters depend on."""

    n_features: int
    n_arms: int
    n_weights: int  # m, entries of a preference
    hidden: int
    encoded: int


class Head(ABC):
    """Logits of the arms from features and preference, and their gradients."""

    of_arms: ClassVar[tuple[str, ...]]

    @abstractmethod
    def shapes(self, sizes: Sizes) -> Shapes:
        """Return the shape of every parameter, by name; those named b... are offsets."""

    @abstractmethod
    def forward(self, theta: Arrays, x: Any, w: Any) -> tuple[Any, tuple[Any, ...]]:
        """Return the logits, and what `backward` needs."""

    @abstractmethod
    def features(self, theta: Arrays, x: Any, w: Any) -> Any:
        """Return f with logits f @ e, e the arms' parameters one under the other; numpy only.

        Parameters
        ----------
        x : ndarray of shape (n, d)
        w : ndarray of shape (n, m)

        Returns
        -------
        ndarray of shape (n, F)
        """

    @abstractmethod
    def backward(self, theta: Arrays, gradient: Arrays, kept: tuple[Any, ...], slope: Any) -> None:
        """Write the gradient of every parameter, given that of the logits, shape (n, K)."""


class LinearHead(Head):
    """o = W [h(x); phi(w)] + b (BaRP, table 6)."""

    of_arms = ("W_x", "W_u", "b")

    def shapes(self, sizes: Sizes) -> Shapes:
        return {
            **_encoder_shapes(sizes),
            "W_x": (sizes.n_features, sizes.n_arms),
            "W_u": (sizes.encoded, sizes.n_arms),
            "b": (sizes.n_arms,),
        }

    def forward(self, theta: Arrays, x: Any, w: Any) -> tuple[Any, tuple[Any, ...]]:
        u, of_encoder = _encode(theta, w)
        return x @ theta["W_x"] + (u @ theta["W_u"] + theta["b"]), (x, u, of_encoder)

    def features(self, theta: Arrays, x: Any, w: Any) -> Any:
        return _with_ones(np.hstack([x, _encode(theta, w)[0]]))

    def backward(self, theta: Arrays, gradient: Arrays, kept: tuple[Any, ...], slope: Any) -> None:
        x, u, of_encoder = kept
        _product(x, slope, gradient["W_x"])
        _product(u, slope, gradient["W_u"])
        _total(slope, gradient["b"])
        _encoder_backward(theta, gradient, of_encoder, slope @ theta["W_u"].T)


class BilinearHead(Head):
    """o = V ((P h(x)) * (Q phi(w))) + b: features and preference meet in a product of low rank.

    The paper names a "parameter-efficient bilinear model" and gives no formula; a full one would
    hold a matrix per arm.
    """

    of_arms = ("V", "b")

    def shapes(self, sizes: Sizes) -> Shapes:
        return {
            **_encoder_shapes(sizes),
            "P": (sizes.n_features, sizes.hidden),
            "b_P": (sizes.hidden,),
            "Q": (sizes.encoded, sizes.hidden),
            "b_Q": (sizes.hidden,),
            "V": (sizes.hidden, sizes.n_arms),
            "b": (sizes.n_arms,),
        }

    def forward(self, theta: Arrays, x: Any, w: Any) -> tuple[Any, tuple[Any, ...]]:
        u, of_encoder = _encode(theta, w)
        of_x = x @ theta["P"] + theta["b_P"]
        of_u = u @ theta["Q"] + theta["b_Q"]
        both = of_x * of_u
        return both @ theta["V"] + theta["b"], (x, u, of_x, of_u, both, of_encoder)

    def features(self, theta: Arrays, x: Any, w: Any) -> Any:
        return _with_ones(self.forward(theta, x, w)[1][4])

    def backward(self, theta: Arrays, gradient: Arrays, kept: tuple[Any, ...], slope: Any) -> None:
        x, u, of_x, of_u, both, of_encoder = kept
        _product(both, slope, gradient["V"])
        _total(slope, gradient["b"])
        of_both = slope @ theta["V"].T
        slope_x, slope_u = of_both * of_u, of_both * of_x
        _product(x, slope_x, gradient["P"])
        _total(slope_x, gradient["b_P"])
        _product(u, slope_u, gradient["Q"])
        _total(slope_u, gradient["b_Q"])
        _encoder_backward(theta, gradient, of_encoder, slope_u @ theta["Q"].T)


class MLPHead(Head):
    """o = V ReLU(W [h(x); phi(w)] + b_W) + b: two layers, the head that the paper adopts."""

    of_arms = ("V", "b")

    def shapes(self, sizes: Sizes) -> Shapes:
        return {
            **_encoder_shapes(sizes),
            "W_x": (sizes.n_features, sizes.hidden),
            "W_u": (sizes.encoded, sizes.hidden),
            "b_W": (sizes.hidden,),
            "V": (sizes.hidden, sizes.n_arms),
            "b": (sizes.n_arms,),
        }

    def forward(self, theta: Arrays, x: Any, w: Any) -> tuple[Any, tuple[Any, ...]]:
        u, of_encoder = _encode(theta, w)
        z = (x @ theta["W_x"] + (u @ theta["W_u"] + theta["b_W"])).clip(0)
        return z @ theta["V"] + theta["b"], (x, u, z, of_encoder)

    def features(self, theta: Arrays, x: Any, w: Any) -> Any:
        return _with_ones(self.forward(theta, x, w)[1][2])

    def backward(self, theta: Arrays, gradient: Arrays, kept: tuple[Any, ...], slope: Any) -> None:
        x, u, z, of_encoder = kept
        _product(z, slope, gradient["V"])
        _total(slope, gradient["b"])
        of_z = (slope @ theta["V"].T) * (z > 0)
        _product(x, of_z, gradient["W_x"])
        _product(u, of_z, gradient["W_u"])
        _total(of_z, gradient["b_W"])
        _encoder_backward(theta, gradient, of_encoder, of_z @ theta["W_u"].T)


class TradeOffHead(Head):
    """o = w_q Q(x) + w_c C(x), with Q and C of two layers and no preference encoder.

    The policy that maximises expected reward plus beta times entropy has the logits r / beta, and
    these are linear in the preference (BaRP, equation 1): the true policy is of this form. What is
    gained is order: where weight moves from quality to cost, the arm with the highest logit never
    changes to one of higher Q or of lower C, on any query (both optimality conditions added up).
    With latency there is a third term, and the same holds for each outcome where its weight grows
    and the others shrink in proportion: that is a dial between it and a fixed mix of the others.
    """

    of_arms = ("V", "b")

    def shapes(self, sizes: Sizes) -> Shapes:
        return {
            "W_x": (sizes.n_features, sizes.hidden),
            "b_W": (sizes.hidden,),
            "V": (sizes.hidden, sizes.n_weights, sizes.n_arms),
            "b": (sizes.n_weights, sizes.n_arms),
        }

    def forward(self, theta: Arrays, x: Any, w: Any) -> tuple[Any, tuple[Any, ...]]:
        z = (x @ theta["W_x"] + theta["b_W"]).clip(0)
        V, b = theta["V"], theta["b"]
        worth = (z @ V.reshape(len(V), -1)).reshape(len(z), *b.shape) + b
        return (worth * w[:, :, None]).sum(1), (x, w, z)

    def features(self, theta: Arrays, x: Any, w: Any) -> Any:
        z = self.forward(theta, x, w)[1][2]
        return np.hstack([(z[:, :, None] * w[:, None, :]).reshape(len(z), -1), w])

    def backward(self, theta: Arrays, gradient: Arrays, kept: tuple[Any, ...], slope: Any) -> None:
        x, w, z = kept
        V = theta["V"]
        of_worth = (slope[:, None, :] * w[:, :, None]).reshape(len(z), -1)
        _product(z, of_worth, gradient["V"].view(len(V), -1))
        _total(of_worth, gradient["b"].view(-1))
        of_z = (of_worth @ V.reshape(len(V), -1).T) * (z > 0)
        _product(x, of_z, gradient["W_x"])
        _total(of_z, gradient["b_W"])


HEADS: dict[str, Head] = {
    "linear": LinearHead(),
    "bilinear": BilinearHead(),
    "mlp": MLPHead(),
    "trade_off": TradeOffHead(),
}


# The preference encoder phi: m -> p -> p with one ReLU between --------------------------------


def _encoder_shapes(sizes: Sizes) -> Shapes:
    encoded = sizes.encoded
    return {
        "A": (sizes.n_weights, encoded),
        "b_A": (encoded,),
        "B": (encoded, encoded),
        "b_B": (encoded,),
    }


def _encode(theta: Arrays, w: Any) -> tuple[Any, tuple[Any, ...]]:
    inner = (w @ theta["A"] + theta["b_A"]).clip(0)
    return inner @ theta["B"] + theta["b_B"], (w, inner)


def _encoder_backward(theta: Arrays, gradient: Arrays, kept: tuple[Any, ...], slope: Any) -> None:
    w, inner = kept
    _product(inner, slope, gradient["B"])
    _total(slope, gradient["b_B"])
    of_inner = (slope @ theta["B"].T) * (inner > 0)
    _product(w, of_inner, gradient["A"])
    _total(of_inner, gradient["b_A"])


def _with_ones(features: Any) -> Any:
    return np.hstack([features, np.ones((len(features), 1), dtype=features.dtype)])


def _product(left: Any, slope: Any, out: Any) -> None:
    import torch

    torch.mm(left.T, slope, out=out)


def _total(slope: Any, out: Any) -> None:
    import torch

    torch.sum(slope, 0, out=out)
