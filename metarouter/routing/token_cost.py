"""Prices per token: what a query costs with each model, and what waiting for it is worth."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.routing._cost_model import (
    CostModel,
    counted,
    n_rows,
    per_query_pair,
)
from metarouter.routing.token_rates import TokenRates
from metarouter.utils.parameters import REGRESSOR, check_parameters, number, several

__all__ = ["TokenCost"]


class TokenCost(CostModel):
    r"""Cost of a query from its token counts (Meta-Router, Remark 2).

    .. math::

        C_M(q) = c_{in,M} T_M(q) + c_{out,M} T_M(M(q)) + c_{fix,M} + \lambda L_M(q)

    with rates c, token counts T, and the latency L in seconds that weighs `latency_weight`.

    Parameters
    ----------
    primary, alternative : TokenRates
        What each model charges: money per 1 million tokens, and money per query for `fixed`.
    output_tokens : None, a pair of numbers, or a regressor, default=None
        Where the length of an answer comes from when it is not given per query:

        - None: it must be given per query if either model charges or waits for output tokens;
        - a pair (alternative, primary): two constants, for example the generation limits;
        - a regressor: one clone per model is fitted by `fit` on past counts. It predicts from the
          features; predictions below zero are set to zero.
    latency_weight : float, default=0.0
        Money that one second of waiting is worth.
    per : float, default=1_000_000
        The number of tokens that the rates refer to; 1_000 for money per thousand tokens.

    Attributes
    ----------
    output_models_ : tuple of two regressors
        Fitted on the output token counts of the alternative and of the primary model; only where
        `output_tokens` is a regressor.

    Notes
    -----
    Per query, the methods `costs` and `extra_cost` and the router take

    - ``input_tokens``: shape (n,), or (n, 2) where the two models count differently;
    - ``output_tokens``: shape (n, 2), or (n,) where both answers are taken to be equally long. It
      goes before the parameter of the same name;
    - ``latency``: seconds, shape (n, 2) or (n,). It goes before the latency from the rates.

    Two columns always stand in the order [alternative, primary]. An extra cost may be negative.

    See Also
    --------
    UnitCost : One unit on every query.
    GivenCost : Costs that are known for each query.

    Examples
    --------
    >>> cost = TokenCost(
    ...     primary=TokenRates(input=2.5, output=10.0),
    ...     alternative=TokenRates(input=0.15, output=0.6),
    ...     output_tokens=(300, 400),
    ... )
    >>> cost.extra_cost([[0.1], [0.2]], input_tokens=[1000, 2000]).round(6)
    array([0.00617, 0.00852])
    """

    query_inputs: ClassVar[tuple[str, ...]] = ("input_tokens", "output_tokens", "latency")

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "primary": [TokenRates],
        "alternative": [TokenRates],
        "output_tokens": [several(number(at_least=0), 2), REGRESSOR, None],
        "latency_weight": [number(at_least=0)],
        "per": [number(above=0)],
    }

    def __init__(
        self,
        primary: TokenRates,
        alternative: TokenRates,
        *,
        output_tokens: Any = None,
        latency_weight: float = 0.0,
        per: float = 1_000_000,
    ) -> None:
        self.primary = primary
        self.alternative = alternative
        self.output_tokens = output_tokens
        self.latency_weight = latency_weight
        self.per = per

    def fit(self, X: Any, y: Any = None, *, output_tokens: ArrayLike | None = None) -> TokenCost:
        """Learn how long the answers are; nothing to do unless `output_tokens` is a regressor.

        Parameters
        ----------
        X : array-like of shape (m, d)
            Past queries, with the same features that the router sees.
        y : ignored
        output_tokens : array-like of shape (m, 2) or (m,)
            Their output token counts, columns [alternative, primary]; NaN where a model has not
            answered. Each model is fitted on the queries that it has answered.

        Returns
        -------
        TokenCost
            The fitted cost model.

        Raises
        ------
        DataError
            If counts are absent, negative, of another length than `X`, or fewer than two for one
            of the models.
        """
        check_parameters(self)
        if not self._predicts_output:
            return self
        if output_tokens is None:
            raise DataError(
                "TokenCost was given a regressor of output tokens and nothing to fit it on; "
                "call fit(X, output_tokens=counts) with two columns [alternative, primary]."
            )
        counts = per_query_pair("output_tokens", output_tokens, n_rows(X), missing_allowed=True)
        self.output_models_ = (
            _fit_counts(self.output_tokens, X, counts[:, 0], "alternative"),
            _fit_counts(self.output_tokens, X, counts[:, 1], "primary"),
        )
        return self

    @property
    def _predicts_output(self) -> bool:
        return hasattr(self.output_tokens, "predict")

    def _costs(self, X: Any, n: int, **inputs: Any) -> NDArray[np.float64]:
        check_parameters(self)
        given = {name: per_query_pair(name, values, n) for name, values in inputs.items()}
        output = self._output_tokens(X, n, given.get("output_tokens"))
        money = self._rate("fixed") + self._rate("output") / self.per * output
        if any(self._rate("input")):
            if "input_tokens" not in given:
                raise DataError(
                    "input_tokens is missing where the rates charge for input; "
                    "give the number of input tokens of each query."
                )
            money = money + self._rate("input") / self.per * given["input_tokens"]
        waiting = self._rate("seconds") + self._rate("seconds_per_output_token") * output
        return money + self.latency_weight * given.get("latency", waiting)

    def _rate(self, name: str) -> NDArray[np.float64]:
        return np.array([getattr(self.alternative, name), getattr(self.primary, name)], dtype=float)

    def _output_tokens(
        self, X: Any, n: int, given: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        if given is not None:
            return given
        if self._predicts_output:
            if not hasattr(self, "output_models_"):
                raise MetaRouterError(
                    "The regressor of output tokens is not fitted; call "
                    "TokenCost.fit(X, output_tokens=counts) first, and wrap the cost model in "
                    "FrozenEstimator where the router is cloned."
                )
            predicted = [np.ravel(model.predict(X)) for model in self.output_models_]
            return np.maximum(np.column_stack(predicted), 0.0)
        if self.output_tokens is not None:
            return np.tile(np.asarray(self.output_tokens, dtype=float), (n, 1))
        waits_for_output = self.latency_weight > 0 and any(self._rate("seconds_per_output_token"))
        if any(self._rate("output")) or waits_for_output:
            raise DataError(
                "output_tokens is missing where the rates charge for output; give two columns "
                "[alternative, primary], or set output_tokens= of TokenCost to a pair of "
                "generation limits or to a regressor."
            )
        return np.zeros((n, 2))

    def __sklearn_is_fitted__(self) -> bool:
        return not self._predicts_output or hasattr(self, "output_models_")


def _fit_counts(regressor: Any, X: Any, counts: NDArray[np.float64], which: str) -> Any:
    known = np.flatnonzero(~np.isnan(counts))
    if len(known) < 2:
        raise DataError(
            f"output_tokens holds {counted(len(known), 'count')} of the {which} model in "
            f"{counted(len(counts), 'row')}; give at least 2."
        )
    return clone(regressor).fit(_safe_indexing(X, known), counts[known])
