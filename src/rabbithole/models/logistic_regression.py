"""The floor: scikit-learn's logistic regression on a handful of the features of a session."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rabbithole.models.estimators import RUNNING, AggregateModel
from rabbithole.models.settings import ModelSettings, Search

HANDFUL = (
    "events",
    "item: repeats",
    "item: purchase rate, mean",
    "category: purchase rate, mean",
    "dwell: sum",
    "cost: mean",
    "earlier: events",
    RUNNING,
)
"""The features that it sees, of those that the log has."""

MAX_RARER_EVENTS = 2
"""Kinds of events, the most frequent one aside, whose counts it sees too: carts, in most shops."""


class Settings(ModelSettings):
    """Logistic regression on about ten features of a session: the floor that everybody understands."""

    search: ClassVar[Search] = {"penalty": (0.1, 1.0, 10.0, 100.0)}

    penalty: float = Field(1.0, gt=0, le=1e9, description="Strength of the L2 penalty.")


class Model(AggregateModel):
    """Logistic regression on standardised logs of a few features; a missing one takes its mean."""

    def __init__(self, settings: Settings, *, seed: int) -> None:
        regression = LogisticRegression(C=1 / settings.penalty, max_iter=1000, random_state=seed)
        super().__init__(make_pipeline(SimpleImputer(), StandardScaler(), regression), seed=seed)

    def inputs(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logs of 1 + its features, with their signs, float32 [m, about ten]."""
        chosen = features[:, handful(self.names)]
        return np.copysign(np.log1p(np.abs(chosen)), chosen)


def handful(names: list[str]) -> list[int]:
    """Return the columns that the regression sees, of features with these names."""
    kinds = [name for name in names if name.startswith("event ") and name.endswith(": count")]
    rarer = kinds[1 : 1 + MAX_RARER_EVENTS]
    return [names.index(name) for name in (*HANDFUL, *rarer) if name in names]
