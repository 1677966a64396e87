"""Money in whole billionths, so that no sum is ever rounded, and a budget that cannot be passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation

from metarouter.exceptions import BudgetError
from metarouter.utils.names import nearest

__all__ = ["Budget", "Price", "as_money", "price_of", "read_budget", "read_prices"]

_UNITS = 10**9
# Tokens that an endpoint adds around each message, and around the whole; generous.
_PER_MESSAGE, _PER_CALL = 16, 64


@dataclass(frozen=True)
class Price:
    """Prices of one model per million tokens, in the currency of the budget.

    Parameters
    ----------
    input, output : Decimal

    Examples
    --------
    >>> Price(Decimal("0.25"), Decimal("2")).cost(1000, 10)
    270000
    """

    input: Decimal
    output: Decimal

    def cost(self, input_tokens: int, output_tokens: int) -> int:
        """Return the price of a call in billionths, rounded up."""
        millionths = self.input * input_tokens + self.output * output_tokens
        return int((millionths * 1000).to_integral_value(ROUND_CEILING))

    def worst_case(self, messages: Sequence[Mapping[str, str]], extra: str, limit: int) -> int:
        """Return the most that a call can cost, before it is made.

        No tokenizer makes more tokens of a text than it has bytes; the reply is as long as it may
        get.

        Parameters
        ----------
        messages : sequence of mapping
        extra : str
            What else is sent and may be billed, such as a schema.
        limit : int
            The largest number of tokens of the reply.
        """
        n_bytes = sum(len(m["content"].encode("utf-8", "replace")) for m in messages)
        n_bytes += len(extra.encode("utf-8", "replace"))
        return self.cost(n_bytes + _PER_MESSAGE * len(messages) + _PER_CALL, limit)


def read_prices(given: Sequence[str]) -> dict[str, Price]:
    """Read prices written as ``name=input,output``, per million tokens.

    Raises
    ------
    BudgetError

    Examples
    --------
    >>> read_prices(["small=0.25,2"])["small"]
    Price(input=Decimal('0.25'), output=Decimal('2'))
    """
    prices = {}
    for text in given:
        name, _, numbers = text.rpartition("=")
        try:
            first, second = (Decimal(number.strip()) for number in numbers.split(","))
            if not (first.is_finite() and second.is_finite() and min(first, second) >= 0):
                raise InvalidOperation
        except (InvalidOperation, ValueError):
            name = ""
        if not name:
            raise BudgetError(
                f"The price {text!r} cannot be read: write MODEL=INPUT,OUTPUT, two prices per "
                "million tokens, such as gpt-5-mini=0.25,2."
            )
        prices[name] = Price(first, second)
    return prices


def price_of(model: str, prices: Mapping[str, Price]) -> Price:
    """Return the price of a model.

    Raises
    ------
    BudgetError
        If it is not known.
    """
    if model not in prices:
        raise BudgetError(
            f"The price of the model {model!r} is not known{nearest(model, prices)}: give it with "
            f"--price {model}=INPUT,OUTPUT, per million tokens (0,0 where nothing is billed)."
        )
    return prices[model]


def read_budget(given: str) -> int:
    """Read a budget, in billionths.

    Raises
    ------
    BudgetError
        If it is no number above 0.

    Examples
    --------
    >>> read_budget("2.50")
    2500000000
    """
    try:
        amount = Decimal(given)
        if not amount.is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise BudgetError(f"budget is {given!r}: give an amount of money such as 2.50.") from None
    units = int((amount * _UNITS).to_integral_value(ROUND_FLOOR))
    if units <= 0:
        raise BudgetError(
            f"budget is {given}, which pays for no call: give an amount above 0, or --dry-run for "
            "an estimate."
        )
    return units


def as_money(units: int) -> str:
    """Write an amount, rounded up to a hundredth of a cent.

    Examples
    --------
    >>> as_money(1_234_567_891)
    '1.2346'
    """
    return str((Decimal(units) / _UNITS).quantize(Decimal("0.0001"), ROUND_CEILING))


class Budget:
    """What may still be spent: the worst case of a call is set aside before it is made.

    Parameters
    ----------
    limit : int
        In billionths.
    spent : int, default=0
        What earlier runs have spent, or may have.
    """

    def __init__(self, limit: int, spent: int = 0) -> None:
        self.limit, self.spent, self.reserved = limit, spent, 0

    def reserve(self, amount: int) -> bool:
        """Set an amount aside; False, and nothing done, where it would pass the limit."""
        if self.spent + self.reserved + amount > self.limit:
            return False
        self.reserved += amount
        return True

    def settle(self, reserved: int, cost: int) -> None:
        """Replace what was set aside for a call by what it has cost."""
        self.reserved -= reserved
        self.spent += cost
