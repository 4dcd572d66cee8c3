"""The paragraph for a paper's methods section, written from the record of what was done."""

from __future__ import annotations

from typing import Any

from ..errors import UserError

Record = dict[str, Any]
_APR_RD = (
    'H. Kim and N. I. Cho, "APR-RD: Complementary Two Steps for Self-Supervised Real Image '
    'Denoising", AAAI 2025.'
)
_AT_BSN = (
    'S. Chen, J. Zhang, Z. Yu and T. Huang, "Exploring Efficient Asymmetric Blind-Spots for '
    'Self-Supervised Denoising in Real-World Scenarios", CVPR 2024.'
)
PRETRAINING = (
    "supervised, on public pictures (photographs and a few micrographs) and simulated scenes, all "
    "with simulated noise"
)
_PLANES = {"T": "frame", "Z": "slice"}
_VIEWS = {
    "with": "made with the neighbouring {name}s",
    "alone": "made without the neighbouring {name}s, which an estimate of the error preferred",
    "both": "made with and without the neighbouring {name}s",
}
_NAPARI = (
    "napari contributors, napari: a multi-dimensional image viewer for Python, "
    "doi:10.5281/zenodo.3555620."
)


def methods(record: Record) -> str:
    """Write a paragraph and its references.

    Parameters
    ----------
    record : dict
        Record of a model, or of an image that it denoised. Missing parts are left out.

    Returns
    -------
    str
        The paragraph, an empty line, and the references, one per line.

    Raises
    ------
    UserError
        If the record was not written by napari-aprrd.
    """
    try:
        return _written(record)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # the record may be anything
        raise UserError(
            "The record is incomplete: it says too little for a methods section."
        ) from error


def _written(record: Record) -> str:
    stages = [record[name] for name in ("denoise", "distill", "train") if name in record]
    versions: dict[str, str] = next(
        (stage["versions"] for stage in stages if "versions" in stage), {}
    )
    sentences = [
        _opening(record, versions),
        *_of_noise(record.get("noise")),
        *_of_training(record.get("train")),
        *_of_neighbours(record),
        *_of_distillation(record.get("distill")),
        *_of_targets(record),
        *_of_pretraining(record),
        *_of_use(record.get("denoise")),
    ]
    references = [_APR_RD]
    if _plain(record):
        references.append(_AT_BSN)
    if any("napari" in stage.get("versions", {}) for stage in stages):
        references.append(_NAPARI)
    release = versions.get("napari-aprrd", "")
    references.append(f"The napari-aprrd developers, napari-aprrd {release}".strip() + ".")
    numbered = [f"[{number}] {text}" for number, text in enumerate(references, start=1)]
    return "\n".join([" ".join(sentences), "", *numbered])


def _plain(record: Record) -> bool:
    """Whether the blind-spot network was trained with its plain loss, as AT-BSN is."""
    return record.get("train", {}).get("config", {}).get("replace") is False


def _opening(record: Record, versions: dict[str, str]) -> str:
    subject = "Images were denoised" if "denoise" in record else "A denoising model was made"
    tools = [f"PyTorch {versions['torch']}"] if "torch" in versions else []
    tools += [f"napari {versions['napari']}"] if "napari" in versions else []
    used = f" ({', '.join(tools)})" if tools else ""
    name = f"napari-aprrd {versions.get('napari-aprrd', '')}".strip()
    opening = f"{subject} with {name}{used}, which implements APR-RD [1]."
    if "imported" not in record:
        return opening
    whose = "The teacher's weights" if "distill" in record else "The weights"
    return f"{opening} {whose} were imported from {record['imported']} and trained elsewhere."


def recharged(config: Record) -> str:
    """Return how the targets of a distillation were recharged: "measured", "random" or "off".

    Records of older versions have two settings for it.
    """
    how = config["recharge"]
    if isinstance(how, str):
        return how
    return "random" if how else "measured" if config.get("give_back") else "off"


def _of_pretraining(record: Record) -> list[str]:
    """Describe what the networks were trained on before the user's images, if anything."""
    names = {"train": "blind-spot network", "distill": "student"}
    stages = {names[n]: record[n] for n in names if "start" in record.get(n, {})}
    if not stages:
        return []
    if "imported" in record:  # what the teacher learnt from is not known here
        return [_beside_imported(stages["student"])] if "student" in stages else []
    started = [name for name, stage in stages.items() if stage["start"] != "scratch"]
    if not started:
        every = "Both networks were" if len(stages) == 2 else f"The {next(iter(stages))} was"
        return [
            f"{every} initialised at random: there was no pre-training, and all was learnt from "
            "the noisy images themselves, without clean images.",
        ]
    # Records of older versions do not describe the pre-training; theirs was the same in kind.
    how = stages[started[0]].get("pretraining") or PRETRAINING
    were = " and the ".join(started)
    from_scratch = [name for name in stages if name not in started]
    rest = f" The {from_scratch[0]} was initialised at random." if from_scratch else ""
    return [
        f"The {were} started from weights that come with napari-aprrd and were pre-trained "
        f"({how}); the rest was learnt from the noisy images themselves, without clean images of "
        f"the specimen.{rest}",
    ]


def _beside_imported(student: Record) -> str:
    """Describe how the student of an imported teacher started."""
    if student["start"] == "scratch":
        start = "was initialised at random"
    else:
        how = student.get("pretraining") or PRETRAINING
        start = f"started from weights that come with napari-aprrd and were pre-trained ({how})"
    return f"The student {start}, and learnt from this teacher's outputs for the noisy images."


def _of_noise(noise: Record | None) -> list[str]:
    if not noise:
        return []
    reach = max(noise["reach_x"], noise["reach_y"])
    kind = f"correlated over {_counted(reach, 'pixel')}" if reach else "white"
    return [
        f"The noise of the training images was {kind}, standard deviation {noise['sigma']:.3g}."
    ]


def _of_training(stage: Record | None) -> list[str]:
    if not stage:
        return []
    config = stage["config"]
    way = "with the Adjacent Pixel Replacer (APR) "
    way += f"(window {config['window']}, lambda {config['regularization']:g}, "
    if not config["replace"]:
        way = "with its plain loss [2] ("
    way += f"shift {config['shift']})"
    return [f"A blind-spot network {_size(config)} was trained {way} {_schedule(stage)}."]


def _neighbours(record: Record) -> tuple[int, str]:
    """How many neighbours on either side the networks saw, and what planes are called."""
    stage = record.get("train", {})
    count = stage.get("config", {}).get("neighbours") or 0  # older versions have none
    return count, _PLANES.get(stage.get("stack_axis", ""), "plane")


def _of_neighbours(record: Record) -> list[str]:
    """Describe the planes of a stack that the networks saw beside the one that they denoise."""
    count, name = _neighbours(record)
    if not count:
        return []
    stack = (record.get("noise") or {}).get("stack") or {}
    lag = stack.get("correlation", {}).get("1")
    same = stack.get("axis") == record["train"].get("stack_axis")
    noise = f"; noise correlation between {name}s {lag:.2f} at lag 1" if lag is not None else ""
    return [
        f"The network saw {_counted(count, f'neighbouring {name}')} on either side"
        f"{noise if same else ''}."
    ]


def _of_targets(record: Record) -> list[str]:
    """Say whether what a network of a stack made was made with the neighbours."""
    count, name = _neighbours(record)
    if not count:
        return []
    if "distill" in record:
        how = _VIEWS[record["distill"]["config"]["targets"]].format(name=name)
        return [f"The student saw the same neighbours; its targets were {how}."]
    how = _VIEWS[record.get("target_views", "with")].format(name=name)
    return [f"Its outputs were {how}."]


def _of_distillation(stage: Record | None) -> list[str]:
    if not stage:
        return []
    config = stage["config"]
    how = recharged(config)
    nothing = how == "measured" and stage.get("recharged") == 0
    way = "distillation" if how == "off" or nothing else "Recharged Distillation (RD)"
    shifts = ", ".join(map(str, config["shifts"]))
    text = (
        f"It was distilled into a student {_size(config)} by {way} "
        f"(targets at shifts {shifts}) {_schedule(stage)}."
    )
    if how != "measured":
        return [text]
    if nothing:
        return [text, "Nowhere did the residual vary clearly more than the noise does."]
    share = f" ({100 * stage['recharged']:.2g} % of the pixels)" if "recharged" in stage else ""
    return [
        text,
        "Targets were recharged by measurement: where the residual of their mean varied clearly "
        f"more than the noise does{share}, the excess was given back to them.",
    ]


def _size(config: Record) -> str:
    return f"({config['width']} features, {config['depth']} poolings)"


def _schedule(stage: Record) -> str:
    config, side = stage["config"], stage["config"]["patch"]
    steps = stage.get("steps", config["steps"])
    return (
        f"for {_counted(steps, 'step')} of {_counted(config['batch'], 'crop')} of {side} x {side} "
        f"pixels (Adam, learning rate {config['learning_rate']:g}, {config['loss'].upper()} loss, "
        f"seed {config['seed']}) on {_amount(stage)}"
    )


def _of_use(stage: Record | None) -> list[str]:
    if not stage:
        return []
    config, source, shifts = stage["config"], stage["input"], ""
    if config["shifts"]:
        shifts = f"as the mean over shifts {', '.join(map(str, config['shifts']))}, "
    scale = "calibrated to the source" if config["calibrate"] else "as predicted"
    if config.get("normalise") == "image":
        scale += " and normalised by its own mean and contrast"
    were = "was" if stage["planes"] == 1 else "were"
    return [
        f"In all, {_amount(stage)} {were} denoised, {shifts}with intensities {scale} "
        f"(SHA-256 of the model {stage['model'][:12]}, of {source['of']} of the input "
        f"{source['sha256'][:12]})."
    ]


def _amount(stage: Record) -> str:
    return f"{_counted(stage['planes'], 'plane')} ({stage['megapixels']:g} megapixels)"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"
