"""Cost-optimal numbers of labels, by trying all of them."""

from __future__ import annotations

import numpy as np


def best_numbers(a, b, c, prices, money, *, nested):
    """Numbers of labels with the least variance a / n_gold + b / n_pref + c / n_queries."""
    gold = np.arange(30, int(money / prices[0]))
    preference = np.floor((money - gold * prices[0]) / prices[1])
    possible = preference >= (gold if nested else 1)
    gold, preference = gold[possible], preference[possible]
    queries = preference if nested else gold + preference
    variance = a / gold + b / preference + c / queries
    best = np.argmin(variance)
    return gold[best], preference[best], variance[best]


def cost_optimal_share(residual, total, gold_price, proxy_price):
    """arXiv 2506.07949: share of proxy labels that get a gold one, drawn uniformly."""
    return min(1.0, np.sqrt(proxy_price / gold_price * residual / (total - residual)))
