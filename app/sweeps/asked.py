"""What clients ask of a sweep: every field bounded, every error at its field."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from app.text import LINE

RUNS_MAX = 1000
IMAGENET = "imagenet"  # the published weights of a backbone, whatever they are of
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Fraction = Annotated[float, Field(gt=0, le=1)]
# One arm may be written bare; a union of types would spoil the pointers of its errors.
Arms = Annotated[
    list[Annotated[str, Field(max_length=32)]],
    BeforeValidator(lambda given: [given] if isinstance(given, str) else given),
    Field(min_length=1, max_length=200),
    WithJsonSchema(
        {
            "anyOf": [{"const": "all"}, {"type": "array", "items": {"type": "string"}}],
            "description": "`all`, or a list of depth:1 to depth:L and scratch",
            "default": "all",
            "examples": [["depth:1", "depth:3", "scratch"]],
        }
    ),
]


class Recipe(BaseModel):
    """Hyper-parameters beside the plan; what is left out comes from the preset."""

    model_config = ConfigDict(extra="forbid")

    preset: Literal["modern", "paper", "patches"] = Field(
        "modern", description="`patches` is the paper's way to the lines of intima_media"
    )
    epochs: int | None = Field(None, ge=1, le=1000)
    batch_size: int | None = Field(None, ge=2, le=1024)
    learning_rate: float | None = Field(None, gt=0, le=10, description="Of tuned layers")
    head_learning_rate: float | None = Field(None, gt=0, le=10, description="Of the new last layer")
    scratch_learning_rate: float | None = Field(None, gt=0, le=10, description="In the scratch arm")
    optimiser: Literal["adamw", "sgd"] | None = None
    weight_decay: float | None = Field(None, ge=0, le=1)
    variants: int | None = Field(None, ge=1, le=64, description="Augmented copies of each patch")
    schedule: Literal["one_cycle", "step"] | None = None
    decay: float | None = Field(None, gt=0, le=1, description="Of `step`, per epoch")
    momentum: float | None = Field(None, ge=0, lt=1)
    bias_rate: float | None = Field(None, gt=0, le=100, description="Factor on the rate of biases")
    stratify: bool | None = Field(None, description="Negatives drawn down to the positives' number")
    least_steps: int | None = Field(
        None,
        ge=0,
        le=10_000,
        description="An epoch of fewer steps shows further variants of its patches",
    )
    patience: int | None = Field(
        None, ge=0, le=1000, description="Epochs without gain before a run stops; 0 = never"
    )


class SweepRequest(BaseModel):
    """What to tune, in which arms, and how."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"dataset_id": "ds_01k9w2x3y4z5a6b7c8d9e0f1g2", "policy": "until_plateau"},
                {
                    "dataset_id": "ds_01k9w2x3y4z5a6b7c8d9e0f1g2",
                    "backbone": "efficientnet_lite0",
                    "arms": ["depth:1", "depth:3", "scratch"],
                    "recipe": {"preset": "modern", "epochs": 10, "batch_size": 32},
                    "seeds": [0, 1],
                    "dry_run": True,
                },
            ]
        },
    )

    dataset_id: str = Field(min_length=1, max_length=64, pattern=LINE)
    name: str = Field("", max_length=200, pattern=LINE)
    backbone: str = Field(
        "efficientnet_lite0",
        min_length=1,
        max_length=64,
        description="Left out beside a model as `init`, it is that model's own",
    )
    init: str = Field(
        IMAGENET,
        min_length=1,
        max_length=64,
        pattern=LINE,
        description="`imagenet`, or a `mdl_…` to go on from",
    )
    arms: Arms = ["all"]
    policy: str = Field("exhaustive", max_length=32, description="exhaustive or until_plateau")
    recipe: Recipe = Field(default_factory=Recipe)
    seeds: list[Seed] = Field([0], min_length=1, max_length=20)
    fractions: list[Fraction] = Field(
        [1.0],
        min_length=1,
        max_length=20,
        description="Parts of the training subjects; 1.0, which the choice rests on, is added",
    )
    budget_minutes: float | None = Field(None, gt=0, le=100_000)
    dry_run: bool = Field(False, description="Answer what it would cost; start nothing")

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_given(cls, given: object) -> object:
        """Clients that fill a form send null for what was left empty."""
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value is not None}
