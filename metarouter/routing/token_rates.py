"""What one model charges, and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass, fields

from metarouter.exceptions import MetaRouterError
from metarouter.routing._cost_model import is_real

__all__ = ["TokenRates"]


@dataclass(frozen=True, kw_only=True)
class TokenRates:
    """The price list of one model (Meta-Router, Remark 2).

    Parameters
    ----------
    input : float, default=0.0
        c_in: money per 1 million input tokens (per ``per`` tokens of the `TokenCost` it is in).
    output : float, default=0.0
        c_out: money per 1 million output tokens.
    fixed : float, default=0.0
        c_fix: money per query.
    seconds : float, default=0.0
        Waiting time before the first output token, in seconds per query.
    seconds_per_output_token : float, default=0.0
        Waiting time for each output token, in seconds.

    Raises
    ------
    MetaRouterError
        If a rate is not a finite number of at least 0.

    Examples
    --------
    >>> TokenRates(input=2.5, output=10.0)
    TokenRates(input=2.5, output=10.0, fixed=0.0, seconds=0.0, seconds_per_output_token=0.0)
    """

    input: float = 0.0
    output: float = 0.0
    fixed: float = 0.0
    seconds: float = 0.0
    seconds_per_output_token: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            rate = getattr(self, field.name)
            if not is_real(rate) or rate < 0:
                raise MetaRouterError(
                    f"The rate {field.name} is {rate!r}; give a finite number of at least 0."
                )
