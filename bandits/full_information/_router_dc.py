"""The losses of RouterDC, and how they are trained."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from bandits.full_information._contrast import Contrast, contrast_of, cosine, embed
from bandits.full_information._trade_offs import Learned, Split
from bandits.full_information._training import (
    Parameters,
    as_arrays,
    best_checkpoint,
    glorot,
    tensor,
)

__all__ = ["Pairs", "draw_pairs", "sample_llm_loss", "sample_sample_loss", "train"]

# Standard deviation of the first embeddings of the arms, as in the authors' code.
_ARM_SPREAD = 0.78
# As good as minus infinity in a sum of exponentials, with a gradient that is a number.
_NOTHING = -1e9


class Pairs(NamedTuple):
    """Queries of a batch that are compared with each query."""

    query: Tensor  # (m,)
    same: Tensor  # (m,) one of the same group
    others: Tensor  # (m, n_others) of other groups


def sample_llm_loss(similarity: Tensor, contrast: Contrast) -> Tensor:
    """Return the sum over positive arms of -log e^s+ / (e^s+ + sum of e^s-), mean over queries.

    Parameters
    ----------
    similarity : Tensor of shape (n, n_arms)
        Cosine of query and arm over the temperature.
    contrast : Contrast of tensors
    """
    negative = similarity.gather(1, contrast.negative).masked_fill(~contrast.is_bad, _NOTHING)
    positive = similarity.gather(1, contrast.positive)
    losses = softplus(negative.logsumexp(dim=1, keepdim=True) - positive)
    return (losses * contrast.is_good).sum(dim=1).mean()


def draw_pairs(group: Tensor, n_others: int, generator: torch.Generator) -> Pairs:
    """Draw, for every query of a batch, one of its own group and some of other groups.

    Queries that are alone in their group, or too few of others, are left out.
    """
    same = group[:, None] == group[None, :]
    draw = torch.rand(same.shape, generator=generator)
    own = draw.masked_fill(~same | torch.eye(len(group), dtype=torch.bool), -1.0)
    other = draw.masked_fill(same, -1.0)
    enough = ((own >= 0).any(dim=1) & ((other >= 0).sum(dim=1) >= n_others)).nonzero()[:, 0]
    others = other[enough].topk(min(n_others, len(group)), dim=1).indices
    return Pairs(enough, own[enough].argmax(dim=1), others)


def sample_sample_loss(similarity: Tensor, pairs: Pairs) -> Tensor:
    """Return -log e^s+ / (e^s+ + sum of e^s-) of the drawn queries, mean over queries.

    Parameters
    ----------
    similarity : Tensor of shape (n, n)
        Cosines of the queries of a batch over the temperature.
    pairs : Pairs
    """
    if not len(pairs.query):
        return similarity.sum() * 0.0
    rows = similarity[pairs.query]
    negative = rows.gather(1, pairs.others).logsumexp(dim=1)
    return softplus(negative - rows.gather(1, pairs.same[:, None])[:, 0]).mean()


def train(
    split: Split,
    group: NDArray[np.integer[Any]],
    *,
    n_hidden: int,
    n_components: int,
    temperature: float,
    n_top: int,
    n_last: int,
    n_others: int,
    sample_weight: float,
    learning_rate: float,
    batch_size: int,
    max_epochs: int,
    patience: int,
    seed: int,
) -> Learned:
    """Minimise both losses and return the checkpoint that was best on the held-back queries."""
    generator = torch.Generator().manual_seed(seed)
    X, groups, held_back = tensor(split.train.X), tensor(group), tensor(split.held_back.X)
    rng = np.random.default_rng([seed, 1])
    contrast = Contrast(*map(tensor, contrast_of(split.train.utility, n_top, n_last, rng)))
    n_arms = split.train.utility.shape[1]
    parameters: Parameters = {
        "hidden": glorot(generator, X.shape[1], n_hidden),
        "hidden_bias": torch.zeros(n_hidden),
        "output": glorot(generator, n_hidden, n_components),
        "output_bias": torch.zeros(n_components),
        "arms": _ARM_SPREAD * torch.randn(n_arms, n_components, generator=generator),
    }
    optimizer = torch.optim.AdamW(
        [value.requires_grad_() for value in parameters.values()], lr=learning_rate
    )

    def epoch() -> None:
        order: Any = torch.randperm(len(X), generator=generator)
        for rows in order.split(batch_size):
            queries = embed(X[rows], parameters)
            loss: Any = sample_llm_loss(
                cosine(queries, parameters["arms"]) / temperature,
                Contrast(*(part[rows] for part in contrast)),
            )
            if sample_weight:
                pairs = draw_pairs(groups[rows], n_others, generator)
                among = cosine(queries, queries) / temperature
                loss = loss + sample_weight * sample_sample_loss(among, pairs)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def utility() -> float:
        chosen = cosine(embed(held_back, parameters), parameters["arms"]).argmax(dim=1)
        return float(split.held_back.utility[np.arange(len(chosen)), chosen.numpy()].mean())

    kept = best_checkpoint(parameters, epoch, utility, max_epochs=max_epochs, patience=patience)
    return as_arrays(kept)
