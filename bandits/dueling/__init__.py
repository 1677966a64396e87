"""Routers that learn from which of two answers was preferred."""

from __future__ import annotations

from bandits.dueling.base import DuelingRouter
from bandits.dueling.baselines import (
    BestSoFar,
    BradleyTerryRouter,
    CoLSTIM,
    DuelingLinUCB,
    MaxInP,
    RandomPairs,
)
from bandits.dueling.category_encoder import CategoryEncoder, category_means
from bandits.dueling.fgts import FGTSRouter
from bandits.dueling.model_embeddings import ModelEmbeddings
from bandits.dueling.replay import DuelingReplay, play_duels
from bandits.dueling.vacdb import VACDB

__all__ = [
    "VACDB",
    "BestSoFar",
    "BradleyTerryRouter",
    "CategoryEncoder",
    "CoLSTIM",
    "DuelingLinUCB",
    "DuelingReplay",
    "DuelingRouter",
    "FGTSRouter",
    "MaxInP",
    "ModelEmbeddings",
    "RandomPairs",
    "category_means",
    "play_duels",
]
