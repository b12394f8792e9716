"""The sections `models`, `training` and `evaluation`."""

from typing import Literal

from pydantic import Field

from rabbithole.config.base import Positive, Section


class Network(Section):
    """A network of `src/rabbithole/models/`, trained by gradient descent."""

    kind: Literal["network"]
    embedding_width: Positive = Field(32, description="Numbers per item; the other fields take fewer.")
    width: Positive = Field(64, description="Units of each hidden layer.")
    layers: Positive = Field(
        1, description="Stacked recurrent layers, or rounds of dilations of a convolution."
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of units dropped while training.")
    learning_rate: float = Field(0.003, gt=0, description="Peak step size of AdamW.")
    weight_decay: float = Field(0.0001, ge=0, description="Weight decay of AdamW.")


class Trees(Section):
    """A gradient-boosting baseline on session aggregates."""

    kind: Literal["trees"]
    learning_rate: float = Field(0.05, gt=0, description="Shrinkage of each tree.")
    iterations: Positive = Field(300, description="Trees at most; early stopping on valid may end before.")
    leaves: int = Field(15, ge=2, description="Leaves of each tree at most.")


class Training(Section):
    """How the networks are trained."""

    batch_size: Positive = Field(1024, description="Sessions a step, at most.")
    epochs: Positive = Field(5, description="Passes over train at most.")
    patience: Positive = Field(
        3,
        description="Stop after so many epochs without a better valid AUC (of next events: cross-entropy); "
        "the best epoch is kept.",
    )
    unseen_share: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="Share of train's codes replaced by `unseen`, so that it is learned too.",
    )
    checkpoint_minutes: float = Field(
        5.0,
        ge=0,
        description="A network's state is saved after so many minutes, and after epochs that end ten "
        "seconds or more after the last save (a text network's after epochs alone); training that was "
        "killed goes on from there. Changes no result, so it reruns nothing. 0: after every batch.",
    )


class Evaluation(Section):
    """How the models are judged."""

    steps: list[Positive] = Field(
        default=[1, 2, 3, 5, 10, 20, 50],
        min_length=1,
        description="Events seen: for each k, sessions of at least k events are judged after their first k; "
        "k beyond windows.length is passed over.",
    )
    contact_cost: float = Field(
        1.0, gt=0, allow_inf_nan=False, description="What it costs to contact one session, in any currency."
    )
    sale_worth: float = Field(
        50.0,
        gt=0,
        allow_inf_nan=False,
        description="What a sale is worth, in the same currency: the report tells whom to contact.",
    )
