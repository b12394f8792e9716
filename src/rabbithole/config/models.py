"""The sections `training` and `evaluation`."""

from pydantic import Field

from rabbithole.config.base import Amount, Positive, Section


class Training(Section):
    """How the networks are trained."""

    batch_size: int = Field(
        1024,
        ge=1,
        le=1_048_576,
        description="Sessions per step. Smaller where train has too few sessions for a hundred steps "
        "(target `buyer` only).",
    )
    epochs: int = Field(
        5, ge=1, le=10_000, description="Maximum number of passes over train, or of parts of a large one."
    )
    epoch_sessions: int = Field(
        2_500_000,
        ge=1_000,
        le=1_000_000_000,
        description="Sessions of an epoch, at most. A larger train is divided at random into equal parts, "
        "and each epoch takes the next one, so that training does not grow with the log. Every session comes "
        "once before any comes twice.",
    )
    patience: Positive = Field(
        3,
        description="Training stops after this many epochs without a better valid AUC (target `next_event`: "
        "cross-entropy). The best epoch is kept.",
    )
    unseen_share: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="Fraction of train's codes that are masked as `unseen`, so that the models learn what "
        "an unseen value means. Above 0, half of the rare items are masked too.",
    )
    tune: float | None = Field(
        None,
        gt=0,
        le=100_000,
        description="Minutes of a search for better settings, for each model and seed: up to 12 trainings "
        "with settings drawn at random, of which valid chooses. For logs of fewer than some 2,000 buyers. No "
        "training begins once the minutes have passed, so what is chosen may then depend on the machine's "
        "speed. Target `buyer` only. null: no search.",
    )
    checkpoint_minutes: float = Field(
        5.0,
        ge=0,
        le=10_000,
        description="Minutes between two saves of a network's training state, from which a killed training "
        "continues. It is also saved after an epoch, unless the last save is younger than ten seconds. 0: "
        "after every batch. Changes no result, so it reruns nothing.",
    )


class Evaluation(Section):
    """How the models are evaluated."""

    steps: list[Positive] = Field(
        default=[1, 2, 3, 5, 10, 20, 50],
        min_length=1,
        description="For each k, sessions of at least k events are scored after their first k events, as "
        "running sessions. A k beyond `windows.length` is ignored.",
    )
    contact_cost: Amount = Field(
        1.0, description="Cost of contacting one session, in any currency; for the campaign table."
    )
    sale_worth: Amount = Field(50.0, description="Worth of one sale, in the same currency.")
