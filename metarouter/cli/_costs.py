"""What queries cost with either model, as options say it: columns, numbers, or prices of tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from metarouter.exceptions import BudgetError
from metarouter.utils.names import no_column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from metarouter.datasets import LabelledQueries

__all__ = [
    "CostOptions",
    "WeighedCosts",
    "costs_of_table",
    "inputs_of_costs",
    "needed_inputs",
    "number_in",
]

_COSTS = "What answers cost (by default one unit more for the primary model)"
_LETTERS_PER_TOKEN = 4.0
_INPUTS = ("cost_primary", "cost_alternative", "input_tokens", "output_tokens")


def _cost(option: str, says: str, *, default: str | bool = False) -> typer.models.OptionInfo:
    return typer.Option(option, help=says, rich_help_panel=_COSTS, show_default=default)


@dataclass(frozen=True, kw_only=True)
class CostOptions:
    """What is known of costs: both costs of a query, or the prices of tokens."""

    cost_primary: Annotated[
        str | None,
        _cost("--cost-primary", "Cost of the primary's answer: a column, or one number for all."),
    ] = None
    cost_alternative: Annotated[
        str | None, _cost("--cost-alternative", "The same of the alternative's answer.")
    ] = None
    price_primary: Annotated[
        str | None,
        _cost(
            "--price-primary",
            "Price of the primary per million input and output tokens, as in 2.5/10.",
        ),
    ] = None
    price_alternative: Annotated[
        str | None, _cost("--price-alternative", "The same of the alternative.")
    ] = None
    input_tokens: Annotated[
        str | None,
        _cost(
            "--input-tokens",
            "Tokens of a query, where prices are given: a column, or one number for all.",
            default="a quarter of the letters of the text",
        ),
    ] = None
    output_tokens: Annotated[
        str | None,
        _cost(
            "--output-tokens",
            "Tokens of an answer, where prices are given: a column, or one number for all.",
        ),
    ] = None

    def cost_model(self) -> Any:
        """Return the cost model that the options describe; None where they describe none.

        Raises
        ------
        BudgetError
            If one of two costs or prices is missing, or both kinds are given.
        """
        from metarouter.routing import GivenCost, TokenCost, TokenRates

        prices = self._both("price", self.price_primary, self.price_alternative)
        costs = self._both("cost", self.cost_primary, self.cost_alternative)
        if prices and costs:
            raise BudgetError(
                "Both costs and prices of tokens are given: give --cost-primary and "
                "--cost-alternative, or --price-primary and --price-alternative."
            )
        if costs:
            fixed = [number_in(cost) for cost in costs]
            if None in fixed:
                return GivenCost()
            rates = [TokenRates(fixed=value) for value in fixed if value is not None]
            return TokenCost(primary=rates[0], alternative=rates[1])
        if not prices:
            return None
        each = [
            _rates(f"--price-{name}", price)
            for name, price in zip(("primary", "alternative"), prices, strict=True)
        ]
        length = None if self.output_tokens is None else number_in(self.output_tokens)
        if self.output_tokens is None and any(output for _, output in each):
            raise BudgetError(
                "Output tokens have a price, but nothing says how many there are: give "
                "--output-tokens, a column or one number for all."
            )
        primary, alternative = (TokenRates(input=given, output=made) for given, made in each)
        return TokenCost(
            primary=primary,
            alternative=alternative,
            output_tokens=None if length is None else (length, length),
        )

    def columns(self) -> dict[str, str | None]:
        """Return the columns that the options name, by what they hold."""
        asked = {name: getattr(self, name) for name in _INPUTS}
        return {
            name: None if option is None or number_in(option) is not None else option
            for name, option in asked.items()
        }

    def columns_of(self, cost: Any) -> dict[str, str]:
        """Return the options by the inputs of a cost model, where they are given."""
        return {
            name: asked
            for name in getattr(cost, "query_inputs", ())
            if (asked := getattr(self, name, None)) is not None
        }

    def _both(self, kind: str, primary: str | None, alternative: str | None) -> tuple[str, ...]:
        if primary is None and alternative is None:
            return ()
        if primary is None or alternative is None:
            missing = "primary" if primary is None else "alternative"
            raise BudgetError(f"One of two {kind}s is given: give --{kind}-{missing} too.")
        return primary, alternative


class WeighedCosts(NamedTuple):
    """A cost model, and what it needs to know of the queries of a table."""

    model: Any
    inputs: dict[str, NDArray[np.float64]]


def costs_of_table(
    options: CostOptions, queries: LabelledQueries, *, needed: bool
) -> WeighedCosts | None:
    """Return the costs that a router weighs; None where it takes one unit for each query.

    Columns of costs are weighed where they are named, or where a cost is `needed`; a table may
    hold costs that nobody knows before a query is answered.
    """
    from metarouter.routing import GivenCost

    cost = options.cost_model()
    if cost is None and not needed:
        return None
    cost = GivenCost() if cost is None else cost
    held = {
        getattr(options, name) or name: values
        for name in _INPUTS
        if (values := getattr(queries, name)) is not None
    }
    asked, text = options.columns_of(cost), queries.text
    n, name = queries.n_queries, queries.name
    inputs = inputs_of_costs(cost, asked, held.__getitem__, list(held), text, n, name)
    return WeighedCosts(cost, inputs)


def number_in(option: str) -> float | None:
    """Return the number of 0 or more that an option holds; None where it names a column."""
    try:
        number = float(option)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _rates(option: str, price: str) -> tuple[float, float]:
    parts = [number_in(part) for part in price.split("/")]
    if len(parts) != 2 or parts[0] is None or parts[1] is None:
        raise BudgetError(
            f"{option} is {price!r}: give two numbers of at least 0, the price per million input "
            "tokens and per million output tokens, as in 2.5/10."
        )
    return parts[0], parts[1]


def needed_inputs(cost: Any) -> tuple[str, ...]:
    """Return the inputs that a cost model cannot do without."""
    from metarouter.routing import TokenCost

    if not isinstance(cost, TokenCost):
        return tuple(getattr(cost, "query_inputs", ()))
    rates = (cost.primary, cost.alternative)
    needs = {
        "input_tokens": any(rate.input for rate in rates),
        "output_tokens": cost.output_tokens is None and any(rate.output for rate in rates),
    }
    return tuple(name for name, needed in needs.items() if needed)


def inputs_of_costs(
    cost: Any,
    asked: Mapping[str, str],
    column: Callable[[str], NDArray[np.float64]],
    known: list[str],
    texts: Any,
    n: int,
    source: str,
) -> dict[str, NDArray[np.float64]]:
    """Return what a cost model needs to know of queries.

    Parameters
    ----------
    cost : cost model
    asked : dict of str to str
        Options by input: the name of a column, or a number for all queries. By default the column
        that has the name of the input.
    column : callable
        Returns a column of the table as numbers.
    known : list of str
        The columns of the table.
    texts : sequence of str or None
        The queries, whose letters stand for input tokens where nothing else is known.
    n : int
        Number of queries.
    source : str
        What the table is called in an error.

    Raises
    ------
    DataError
        If a column is missing.
    """
    import numpy as np

    inputs = {}
    for name in needed_inputs(cost):
        option = asked.get(name, name)
        number = None if option in known else number_in(option)
        if option in known:
            inputs[name] = column(option)
        elif number is not None:
            inputs[name] = np.full(n, number)
        elif name == "input_tokens" and name not in asked and texts is not None:
            inputs[name] = np.array([len(str(text)) / _LETTERS_PER_TOKEN for text in texts])
        else:
            mend = f"name a column, or give one number for all, with --{name.replace('_', '-')}"
            raise no_column(option, known, source, role="by which the router weighs", mend=mend)
    return inputs
