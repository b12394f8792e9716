"""A weighted mean of the other models' log odds, with weights that are fitted on valid."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from rabbithole.artifacts.training import BlendWeights
from rabbithole.models.registry import Combination
from rabbithole.models.settings import CombinationSettings

Floats = NDArray[np.float64]

WEIGHTS_FILE = "blend.json"

WEIGHT_SCALE = 0.3
"""Scale of the prior of each weight around an equal share. A thousand buyers determine the weights of models
that score alike to about a tenth, fifty hardly at all: then the models share about equally."""

CHANGE_SCALE = 1.5
"""Scale of the prior of the change in an average session's log odds; see `training.purchase`."""


class Settings(CombinationSettings):
    """A blend of all other models: a weighted mean of their log odds, fitted on valid alone."""


class Model(Combination):
    """Weights of the models, one set for ended sessions and one for running ones."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ended: dict[str, float] = {}
        self.running: dict[str, float] = {}

    @property
    def members(self) -> list[str]:
        """Return the names of the models in the blend."""
        return list(self.ended)

    def fit(self, log_odds: Mapping[str, Floats], buyer: NDArray[np.int8]) -> None:
        """Fit both sets of weights; see `Combination.fit`."""
        values = np.stack(list(log_odds.values()))
        for weights, rows in ((self.ended, values[:, :1]), (self.running, values[:, 1:])):
            weights.update(zip(log_odds, fit_weights(rows, buyer).tolist(), strict=True))

    def combine(self, log_odds: Mapping[str, Floats], steps: list[int]) -> Floats:
        """Return the weighted means, float64 [len(steps), n]; see `Combination.combine`."""
        rows = [self.running if step else self.ended for step in steps]
        return np.asarray(
            sum(np.array([[weights[name]] for weights in rows]) * log_odds[name] for name in self.members)
        )

    def save(self, folder: Path) -> None:
        """Write blend.json."""
        BlendWeights(ended=self.ended, running=self.running).write(folder / WEIGHTS_FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        weights = BlendWeights.read(folder / WEIGHTS_FILE)
        model = cls(Settings())
        model.ended, model.running = weights.ended, weights.running
        return model


def fit_weights(log_odds: Floats, buyer: NDArray[np.int8]) -> Floats:
    """Return a weight for each model, float64 [models], at least 0, with the sum 1.

    log_odds: float64 [models, steps, n], calibrated, NaN where a session is shorter; buyer: int8 [n]. The
    weights are the posterior mode of a logistic regression on the log odds (stacking: Wolpert 1992, Stacked
    generalization; weights of at least 0: Breiman 1996, Stacked regressions), with normal priors around equal
    shares and around no change on average. All steps of a session together weigh as much as the session once.
    Where valid lacks buyers or others, or no weight is above 0, all are equal. In simulations, priors around
    the models' own posterior probabilities did worse with few buyers: they bet on one model.
    """
    models = len(log_odds)
    equal = np.full(models, 1 / models)
    _, sessions = np.nonzero(~np.isnan(log_odds[0]))
    if not 0 < int(buyer[sessions].sum()) < len(sessions):
        return equal
    values = log_odds[:, ~np.isnan(log_odds[0])]
    labels = buyer[sessions]
    share = buyer.mean()
    centre = np.log(share) - np.log(1 - share)
    centred = values - centre
    weight = len(buyer) / len(sessions)
    prior = np.append(equal, 0.0)
    scale = np.append(np.full(models, WEIGHT_SCALE), CHANGE_SCALE)

    def loss(parameters: Floats) -> tuple[float, Any]:
        """Return the negative log posterior and its gradient; parameters: the weights and the change."""
        scores = parameters[-1] + centre + parameters[:-1] @ centred
        errors = expit(scores) - labels
        scaled = (parameters - prior) / scale
        likelihood = (np.logaddexp(0, scores) - labels * scores).sum()
        gradient = weight * np.append(centred @ errors, errors.sum()) + scaled / scale
        return float(weight * likelihood + (scaled**2).sum() / 2), gradient

    bounds = [(0.0, None)] * models + [(None, None)]
    fitted = np.asarray(minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds).x[:-1])
    return fitted / fitted.sum() if fitted.sum() > 0 else equal
