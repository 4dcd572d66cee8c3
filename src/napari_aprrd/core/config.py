"""All settings of the method: default, bounds, unit and description of each, in one place.

The forms and tooltips in napari, the command line's options and help, the documentation and
the header of model files all read these fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from .errors import UserError

Preset = Literal["fast", "balanced", "thorough", "paper"]
Channels = Literal["auto", "together", "separate"]
Norm = Literal["l1", "l2"]
Recharge = Literal["automatic", "measured", "random", "off"]
Targets = Literal["automatic", "measured", "with", "alone", "both"]
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
    int | None,
    Field(
        ge=1,
        le=10_000_000,
        description="Number of steps, in place of a time budget. Automatic: that of the preset.",
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
MOST_NEIGHBOURS = 5  # planes on either side, more than have paid off so far

# Values by which presets differ from the defaults of the fields. All but the paper's keep the
# default network, see docs/benchmarks-diary.md#which-network-in-which-time.
_PAPER: dict[str, Any] = {
    "batch": 8, "learning_rate": 3e-4, "warmup": 0.0, "width": 48, "depth": 5, "hold_out": 0.0,
    "average": 0.0, "adapt": False, "start": "scratch", "precision": "float32",
}  # fmt: skip
_TRAIN_PRESETS: dict[Preset, dict[str, Any]] = {
    "fast": {"steps": 150},
    "balanced": {"steps": 500},
    "thorough": {"steps": 1500, "batch": 8},
    "paper": {"steps": 400_000, "patch": 256, **_PAPER},
}
_DISTILL_PRESETS: dict[Preset, dict[str, Any]] = {
    "fast": {"steps": 600},
    "balanced": {"steps": 2000},
    "thorough": {"steps": 6000},
    "paper": {"steps": 200_000, "patch": 128, **_PAPER},
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
        base = config.model_dump() if config is not None else {}
        try:
            return cls(**{**cls._without_preset(base, changes), **changes})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                known = ", ".join(cls.model_fields)
                raise UserError(
                    f"There is no setting {name!r}. The settings are: {known}."
                ) from None
            message = first["msg"].removeprefix("Value error, ")
            if not name:  # the error is about several settings together
                raise UserError(f"{message}.") from None
            raise UserError(f"Setting {name} = {first['input']!r}: {message}.") from None

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show in consoles what differs from the defaults."""
        usual = self._usual()
        for name, value in super().__repr_args__():
            if name is None or name not in usual or value != usual[name]:
                yield name, value

    def _usual(self) -> dict[str, Any]:
        """Values of the fields where nothing was given."""
        return {name: info.default for name, info in type(self).model_fields.items()}

    @classmethod
    def _without_preset(cls, base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
        """Return the settings to change, without those that a change replaces as a whole."""
        return base


class _Schedule(Config):
    """Settings that training and distilling share."""

    preset: Preset = Field(
        "balanced",
        description="Starting point for all other settings. 'paper' is for a GPU and days.",
    )
    steps: Steps = None
    minutes: float | None = Field(
        None,
        gt=0,
        le=100_000,
        description="Time budget in minutes, in place of a number of steps: the schedule, "
        "learning rate included, ends on time.",
        json_schema_extra={"unit": "min"},
    )
    warmup: float = Field(
        0.1, ge=0, le=0.9, description="Share of the schedule in which the learning rate rises."
    )
    loss: Norm | None = Field(
        None,
        description="Distance in the loss: 'l1' as in the paper, or 'l2' (mean squared error). "
        "Automatic: by the noise.",
    )
    adapt: bool = Field(
        True,
        description="Choose automatic settings by the noise of the images. Off: the paper's "
        "values. Settings that you give are never changed.",
    )
    hold_out: float = Field(
        0.05,
        ge=0,
        le=0.5,
        description="Share of the pixels that are excluded from training: their loss shows "
        "overfitting. 0: none.",
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
        description="Weights to start from: 'starter' ones, which were pre-trained on public "
        "pictures and simulated scenes with simulated noise (for networks of the default size, "
        "one channel each); or random ones, from 'scratch': no pre-training.",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Precision of the convolutions in training. 'auto' tries whether half the bits "
        "are faster: 'bfloat16', on GPUs without it 'float16'.",
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
        filled_in = dict(presets.get(preset, {})) if isinstance(preset, str) else {}
        if given.get("minutes") is not None:  # a time budget replaces the preset's steps
            filled_in.pop("steps", None)
        return {**filled_in, **{k: v for k, v in given.items() if k != "steps" or v is not None}}

    @model_validator(mode="after")
    def _one_schedule(self) -> Self:
        if self.minutes is not None and self.steps is not None:
            raise ValueError("Give minutes or steps, not both")
        return self

    def _usual(self) -> dict[str, Any]:
        usual = {**super()._usual(), **self._presets().get(self.preset, {})}
        return {**usual, "steps": None} if self.minutes is not None else usual

    @classmethod
    def _presets(cls) -> dict[Preset, dict[str, Any]]:
        return {}

    @classmethod
    def _without_preset(cls, base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
        replaced: set[str] = set()
        if changes.get("preset") is not None:  # it decides, also where it keeps a default
            replaced.update(*cls._presets().values())
        if changes.get("minutes") is not None:
            replaced.add("steps")
        if changes.get("steps") is not None:
            replaced.add("minutes")
        return {name: value for name, value in base.items() if name not in replaced}


class TrainConfig(_Schedule):
    """Settings of APR training: the blind-spot network, the teacher."""

    batch: Batch = 4
    patch: Patch = 64
    learning_rate: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Highest learning rate of Adam; it warms up, then falls to 0 as a cosine. "
        "Automatic: 3e-3, or 1e-3 from the starting weights.",
        json_schema_extra={"step": 1e-5},
    )
    shift: int | None = Field(
        None,
        ge=1,
        le=32,
        description="Shift s in training: it blinds (2s - 1) x (2s - 1) pixels. It should be "
        "larger than the reach of the noise's correlation. Automatic: by the noise.",
        json_schema_extra={"unit": "pixels"},
    )
    replace: bool | None = Field(
        None,
        description="Replace pixels by their neighbours (APR), which breaks the correlation of "
        "the noise. Off: the blind-spot loss alone, enough for white noise. Automatic: by the "
        "noise.",
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
    neighbours: int | None = Field(
        None,
        ge=0,
        le=MOST_NEIGHBOURS,
        description="Neighbouring planes of a stack, on either side, that the network sees too: "
        "frames before and after, or slices above and below. 0: each plane alone. Automatic: by "
        "measurement.",
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


class SettledTraining(TrainConfig):
    """Settings of a training after all automatic ones were chosen."""

    learning_rate: float
    shift: int
    replace: bool
    loss: Norm
    neighbours: int = 0  # records of versions before neighbours have none


class DistillConfig(_Schedule):
    """Settings of Recharged Distillation (RD): a plain, fast student."""

    batch: Batch = 4
    patch: Patch = 64
    learning_rate: LearningRate = 3e-3
    shifts: tuple[Shift, ...] | None = Field(
        None,
        min_length=1,
        max_length=33,
        description="Shifts of the targets T. Random recharging should have at least four. "
        "Automatic: all up to the best one by measurement.",
        json_schema_extra={"unit": "pixels"},
    )
    targets: Targets = Field(
        "automatic",
        description="Targets of a teacher that sees neighbouring planes: 'with' them, 'alone', "
        "'both', or 'measured', both joined place by place by what the noisy pixels say. "
        "'automatic': measured.",
    )
    recharge: Recharge = Field(
        "automatic",
        description="Recharge the targets with noisy pixels (RD): 'measured', where they differ "
        "from the noisy image by more than noise; 'random', by the paper's masks; 'off', plain "
        "distillation (D). 'automatic': measured.",
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

    @field_validator("recharge", mode="before")
    @classmethod
    def _yes_or_no(cls, value: Any) -> Any:
        """Translate True, False and None to the paper's recharging, none, and automatic."""
        if value is None or isinstance(value, bool):
            return {None: "automatic", True: "random", False: "off"}[value]
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _check_patch(self.patch, self.depth)
        return self


class SettledDistillation(DistillConfig):
    """Settings of a distillation after all automatic ones were chosen."""

    shifts: tuple[Shift, ...]
    recharge: Literal["measured", "random", "off"]
    loss: Norm
    targets: Literal["measured", "with", "alone", "both"] = "alone"


class DenoiseConfig(Config):
    """Settings of denoising with a trained model."""

    shifts: tuple[Shift, ...] | None = Field(
        None,
        min_length=1,
        max_length=33,
        description="For a blind-spot network: average its outputs at these shifts. Default: "
        "those that suit the noise. A student has none.",
        json_schema_extra={"unit": "pixels"},
    )
    calibrate: bool = Field(
        True,
        description="Correct gain and offset, and the curve of brightness where noise was cut off "
        "or is weak, as found in training by comparing the noisy images with the output.",
    )
    self_ensemble: bool = Field(
        False,
        description="Mean over the eight flips and rotations of the image: a little better, 8 "
        "times slower.",
    )
    dtype: Literal["same", "float32"] | None = Field(
        None,
        description="'same' rounds and clips to the input's type; 'float32' keeps all digits. "
        "Automatic: the same; for files whose values are so small that rounding would leave "
        "nothing, float32.",
    )
    tile: int = Field(
        1024,
        ge=64,
        le=65_536,
        description="Side of the tiles that are computed at once, without their halo; reduced if "
        "memory is short. On a CUDA GPU, the default is twice as large.",
        json_schema_extra={"unit": "pixels"},
    )
    device: Device = "auto"
    normalise: Literal["model", "image"] = Field(
        "model",
        description="Normalise intensities as in the images that the 'model' was trained on, "
        "or by the mean and contrast of the 'image' itself, for images that differ from "
        "those only in gain and offset, such as an 8-bit copy.",
    )


def _check_patch(patch: int, depth: int) -> None:
    if patch % 2**depth:
        raise ValueError(
            f"The patch must be a multiple of 2 ** depth = {2**depth} pixels, got {patch}"
        )
