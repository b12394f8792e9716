"""What early stopping looks at."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score


def judge(buyer: NDArray[np.int8], logits: NDArray[np.float64]) -> dict[str, float]:
    """Return `valid_loss` (nats a session) and `valid_auc` of log odds, float64 [n]."""
    return {
        "valid_loss": float(log_loss(buyer, expit(logits))),
        "valid_auc": float(roc_auc_score(buyer, logits)),
    }
