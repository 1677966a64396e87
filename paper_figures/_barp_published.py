"""Tables 2 to 7 of "Learning to Route LLMs from Bandit Feedback" (arXiv:2510.07429), as printed.

Scores of tables 2 to 4 are in per cent, those of tables 5 to 7 are shares; costs of table 4 are in
US dollars per 1000 queries, those of tables 5 to 7 in US dollars per query. GraphRouter's average
in table 2 is 63.82 by its own five cells, where 65.42 is printed, and table 4 takes the latter.
"""

from __future__ import annotations

__all__ = ["BY_TASK", "ENCODERS", "HEADS", "LEARNERS", "OVERALL"]

_LEARNED = ("arc_challenge", "gsm8k", "mmlu", "winogrande", "natural_qa", "average")
_NEW = ("mbpp", "hellaswag", "hotpot_qa", "average")

# Tables 2 and 3, by router, then by split and task.
BY_TASK = {
    router: {
        "in_distribution": dict(zip(_LEARNED, scores[:6], strict=True)),
        "out_of_distribution": dict(zip(_NEW, scores[6:], strict=True)),
    }
    for router, *scores in (
        ("smallest", 38.78, 41.15, 25.43, 52.41, 14.95, 34.54, 34.43, 25.48, 27.49, 29.14),
        ("largest", 96.19, 65.88, 81.19, 81.93, 29.15, 70.87, 68.62, 83.96, 40.93, 64.50),
        ("router_dc", 91.99, 59.68, 60.98, 74.74, 31.00, 63.68, 39.06, 69.60, 25.00, 44.55),
        ("graph_router", 94.18, 66.28, 80.20, 46.83, 31.60, 65.42, 64.29, 70.87, 22.20, 52.45),
        ("barp_published", 96.60, 64.58, 81.06, 82.61, 43.01, 73.57, 68.24, 83.72, 46.29, 66.08),
    )
}

# Table 4: score, its improvement in per cent, cost, its reduction in per cent.
OVERALL = {
    "smallest": (32.52, -46.30, 0.05, 94.68),
    "largest": (68.48, 13.08, 3.29, -250.00),
    "router_dc": (56.51, -6.69, 0.79, 15.96),
    "graph_router": (60.56, 0.0, 0.94, 0.0),
    "barp_published": (70.76, 16.84, 0.47, 50.00),
}

# Tables 5, 6 and 7: average score and cost.
ENCODERS = {
    "MiniLM-L6-v2": (0.7432, 0.0007),
    "BERT-base-uncased": (0.7226, 0.0005),
    "E5-large-v2": (0.7418, 0.0007),
}
HEADS = {
    "barp_linear": (0.7396, 0.0007),
    "barp_bilinear": (0.7317, 0.0006),
    "barp_mlp": (0.7432, 0.0007),
}
LEARNERS = {
    "lints": (0.6430, 0.00046),
    "linucb": (0.6166, 0.00044),
    "epsilon_greedy": (0.6556, 0.00056),
    "barp_published": (0.7432, 0.00070),
}
