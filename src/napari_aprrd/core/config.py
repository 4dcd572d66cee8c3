"""Every number of the method, once: default, bounds, unit, description.

The forms and tooltips in napari, the command line's options and help, the documentation and
the header of model files all read these fields.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import UserError

Preset = Literal["fast", "balanced", "thorough", "paper"]
Channels = Literal["auto", "together", "separate"]
Norm = Literal["l1", "l2"]
StudentKind = Literal["1.00M", "1.02M"]
Shift = Annotated[int, Field(ge=0, le=32)]
Device = Annotated[
    str,
    Field(
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="'auto' (the fastest found), 'cpu', 'cuda', 'cuda:1' or 'mps'.",
    ),
]
LearningRate = Annotated[
    float,
    Field(
        gt=0,
        le=1,
        description="Highest learning rate of Adam; it warms up, then falls to 0 as a cosine.",
        json_schema_extra={"step": 1e-5},
    ),
]
Steps = Annotated[
    int,
    Field(
        ge=1,
        le=10_000_000,
        description="Number of steps. Ignored where minutes are given.",
    ),
]
Batch = Annotated[
    int,
    Field(ge=1, le=1024, description="Crops in a step.", json_schema_extra={"unit": "crops"}),
]
Patch = Annotated[
    int,
    Field(
        ge=32,
        le=1024,
        description="Side of the square crops, a multiple of 2 ** depth.",
        json_schema_extra={"unit": "pixels"},
    ),
]
ALL_SHIFTS = (0, 1, 2, 3, 4, 5)  # the paper's T

# What a preset changes against the defaults of the fields, which are preset "balanced".
_TRAIN_PRESETS: dict[Preset, dict[str, Any]] = {
    "fast": {"steps": 150},
    "balanced": {},
    "thorough": {"steps": 1500, "batch": 8},
    "paper": {
        **{"steps": 400_000, "batch": 8, "patch": 256, "learning_rate": 3e-4, "warmup": 0.0},
        **{
            "width": 48,
            "depth": 5,
            "hold_out": 0.0,
            "average": 0.0,
            "adapt": False,
            "start": "scratch",
            "precision": "float32",
        },
    },
}
_DISTILL_PRESETS: dict[Preset, dict[str, Any]] = {
    "fast": {"steps": 600},
    "balanced": {},
    "thorough": {"steps": 6000},
    "paper": {
        **{"steps": 200_000, "batch": 8, "patch": 128, "learning_rate": 3e-4, "warmup": 0.0},
        **{
            "width": 48,
            "depth": 5,
            "hold_out": 0.0,
            "average": 0.0,
            "adapt": False,
            "start": "scratch",
            "precision": "float32",
        },
    },
}


class Config(BaseModel):
    """Frozen settings; unknown names and values out of bounds are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def of(cls, config: Self | None = None, **changes: Any) -> Self:
        """Settings from a config and changes to it, or from changes alone.

        Raises
        ------
        UserError
            One sentence that names the field and what is wrong with it.
        """
        given = config.given() if config is not None else {}
        try:
            return cls(**{**given, **changes})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"]) or cls.__name__
            if first["type"] == "extra_forbidden":
                known = ", ".join(cls.model_fields)
                raise UserError(
                    f"There is no setting {name!r}. The settings are: {known}."
                ) from None
            message = first["msg"].removeprefix("Value error, ")
            raise UserError(f"Setting {name} = {first['input']!r}: {message}.") from None

    def given(self) -> dict[str, Any]:
        """The settings that were given, without those that a preset filled in."""
        return self.model_dump(exclude_unset=True)


class _Schedule(Config):
    """What training and distilling share."""

    preset: Preset = Field(
        "balanced",
        description="Starting point for all other settings. 'paper' is for a GPU and days.",
    )
    minutes: float | None = Field(
        None,
        gt=0,
        le=100_000,
        description="Time budget in minutes. Replaces the number of steps: the schedule, "
        "learning rate included, ends on time.",
        json_schema_extra={"unit": "min"},
    )
    warmup: float = Field(
        0.1, ge=0, le=0.9, description="Share of the schedule in which the learning rate rises."
    )
    loss: Norm = Field(
        "l1",
        description="Distance in the loss: 'l1' as in the paper, or 'l2' (mean squared error).",
    )
    adapt: bool = Field(
        True,
        description="Choose shifts and loss from what the noise looks like. Settings that are "
        "given stay as they are.",
    )
    hold_out: float = Field(
        0.05,
        ge=0,
        le=0.5,
        description="Share of the pixels that are never learnt from: they show when training "
        "turns into learning by heart. 0: none.",
        json_schema_extra={"step": 0.01},
    )
    average: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Share of the schedule over which the weights are averaged. 0: the last ones.",
        json_schema_extra={"step": 0.01},
    )
    start: Literal["starter", "scratch"] = Field(
        "starter",
        description="Weights to start from: 'starter' ones that know images and noise in general "
        "(for networks of the default size, one channel each), from which a teacher learns at 1e-3 "
        "unless a rate is given; or from 'scratch'.",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Of the convolutions in training. 'auto' tries whether half the bits are "
        "faster: 'bfloat16', on GPUs without it 'float16'.",
    )
    seed: int = Field(
        0, ge=0, lt=2**63, description="Same seed, device, data and steps: same weights."
    )
    device: Device = "auto"

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        preset: Any = given.get("preset", cls.model_fields["preset"].default)
        presets: dict[Any, dict[str, Any]] = cls._presets()
        filled_in = presets.get(preset, {}) if isinstance(preset, str) else {}
        return {**filled_in, **given}

    @classmethod
    def _presets(cls) -> dict[Preset, dict[str, Any]]:
        return {}

    def given(self) -> dict[str, Any]:
        filled_in = self._presets().get(self.preset, {})
        given = super().given()
        return {k: v for k, v in given.items() if k not in filled_in or v != filled_in[k]}


class TrainConfig(_Schedule):
    """Settings of APR training: the blind-spot network, the teacher."""

    steps: Steps = 500
    batch: Batch = 4
    patch: Patch = 64
    learning_rate: LearningRate = 3e-3
    shift: int = Field(
        5,
        ge=1,
        le=32,
        description="Shift s in training: it blinds (2s - 1) x (2s - 1) pixels. Take it larger "
        "than the reach of the noise's correlation.",
        json_schema_extra={"unit": "pixels"},
    )
    replace: bool = Field(
        True,
        description="Replace pixels by their neighbours (APR), which breaks the correlation of "
        "the noise. Off: the blind-spot loss alone, enough for white noise.",
    )
    window: int = Field(
        3,
        ge=3,
        le=31,
        description="Side of the adjacent pixel replacer's window, odd.",
        json_schema_extra={"unit": "pixels"},
    )
    regularization: float = Field(
        4.0, ge=0, le=1000, description="Factor lambda of the APR loss's second term."
    )
    channels: Channels = Field(
        "auto",
        description="One network for all channels 'together', or one for each, 'separate'. 'auto': "
        "separate, but for the colours of a picture that start from scratch.",
    )
    width: int = Field(
        16, ge=1, le=512, description="Features of the U-Net's encoders; the paper has 48."
    )
    depth: int = Field(3, ge=2, le=8, description="Poolings of the U-Net; the paper has 5.")

    @classmethod
    def _presets(cls) -> dict[Preset, dict[str, Any]]:
        return _TRAIN_PRESETS

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.window % 2 == 0:
            raise ValueError("The window must be odd")
        _check_patch(self.patch, self.depth)
        return self


class DistillConfig(_Schedule):
    """Settings of Recharged Distillation (RD): a plain, fast student."""

    steps: Steps = 2000
    batch: Batch = 4
    patch: Patch = 64
    learning_rate: LearningRate = 3e-3
    shifts: tuple[Shift, ...] = Field(
        ALL_SHIFTS,
        min_length=1,
        max_length=33,
        description="Shifts of the targets T. Recharging wants at least four.",
        json_schema_extra={"unit": "pixels"},
    )
    recharge: bool = Field(
        True,
        description="Recharge the targets with noisy pixels (RD). Off: plain distillation (D).",
    )
    give_back: bool = Field(
        False,
        description="Give detail back to the targets where they differ from the noisy image by "
        "more than noise.",
    )
    student: StudentKind = Field(
        "1.00M",
        description="Student C: '1.00M' takes its skips after the pools, '1.02M' before.",
    )
    width: int = Field(
        16, ge=1, le=512, description="Features of the student's encoders; the paper has 48."
    )
    depth: int = Field(3, ge=2, le=8, description="Poolings of the student; the paper has 5.")

    @classmethod
    def _presets(cls) -> dict[Preset, dict[str, Any]]:
        return _DISTILL_PRESETS

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _check_patch(self.patch, self.depth)
        return self


class DenoiseConfig(Config):
    """Settings of denoising with a trained model."""

    shifts: tuple[Shift, ...] | None = Field(
        None,
        min_length=1,
        max_length=33,
        description="For a blind-spot network: the mean of its outputs at these shifts; "
        "without, at those that suit the noise. A student has none.",
        json_schema_extra={"unit": "pixels"},
    )
    calibrate: bool = Field(
        True,
        description="Correct gain and offset, measured in training by regressing the noisy "
        "images on the output.",
    )
    self_ensemble: bool = Field(
        False,
        description="Mean over the eight flips and turns of the image: a little better, 8 times "
        "slower.",
    )
    dtype: Literal["same", "float32"] = Field(
        "same",
        description="'same' rounds and clips to the input's type; 'float32' keeps all digits.",
    )
    tile: int = Field(
        1024,
        ge=64,
        le=65_536,
        description="Side of the tiles that are computed at once, halo not counted; smaller where "
        "memory is short.",
        json_schema_extra={"unit": "pixels"},
    )
    device: Device = "auto"
    normalise: Literal["model", "image"] = Field(
        "model",
        description="Intensities are measured against those of the 'model', that is of the images "
        "it learnt from; or of the 'image' itself, for images that differ from them in gain and "
        "offset alone, such as an 8-bit copy.",
    )


def _check_patch(patch: int, depth: int) -> None:
    if patch % 2**depth:
        raise ValueError(
            f"The patch must be a multiple of 2 ** depth = {2**depth} pixels, got {patch}"
        )
