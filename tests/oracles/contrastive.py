"""RouterDC's losses written from the paper, one query and one term after the other."""

from __future__ import annotations

import math


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def sample_llm_loss(queries, arms, utility, best, worst, temperature):
    """`best` and `worst` hold, per query, the positions of the arms that may count."""
    total = 0.0
    for x, u, top, last in zip(queries, utility, best, worst, strict=True):
        for k in top:
            if u[k] <= 0:
                continue
            pulled = math.exp(cosine(x, arms[k]) / temperature)
            pushed = [math.exp(cosine(x, arms[j]) / temperature) for j in last if u[j] <= 0.5]
            total -= math.log(pulled / (pulled + sum(pushed)))
    return total / len(queries)


def sample_sample_loss(queries, partners, others, temperature):
    """`partners` maps a query to its positive; `others` to its negatives."""
    total = 0.0
    for i, j in partners.items():
        pulled = math.exp(cosine(queries[i], queries[j]) / temperature)
        pushed = [math.exp(cosine(queries[i], queries[o]) / temperature) for o in others[i]]
        total -= math.log(pulled / (pulled + sum(pushed)))
    return total / len(partners)
