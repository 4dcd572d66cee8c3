"""The paragraph for a paper's methods section, written from the record of what was done."""

from __future__ import annotations

from typing import Any

from .errors import UserError

Record = dict[str, Any]
_APR_RD = (
    'H. Kim and N. I. Cho, "APR-RD: Complementary Two Steps for Self-Supervised Real Image '
    'Denoising", AAAI 2025.'
)
_AT_BSN = (
    'S. Chen, J. Zhang, Z. Yu and T. Huang, "Exploring Efficient Asymmetric Blind-Spots for '
    'Self-Supervised Denoising in Real-World Scenarios", CVPR 2024.'
)
_NAPARI = (
    "napari contributors, napari: a multi-dimensional image viewer for Python, "
    "doi:10.5281/zenodo.3555620."
)


def methods(record: Record) -> str:
    """Write a paragraph and its references.

    Parameters
    ----------
    record : dict
        Of a model, or of an image that it denoised; what it does not say is not told.

    Returns
    -------
    str
        The paragraph; after an empty line the references, one a line.

    Raises
    ------
    UserError
        If it is no record of napari-aprrd's.
    """
    try:
        return _written(record)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # written by who knows whom
        raise UserError(
            "The record is incomplete: it says too little for a methods section."
        ) from error


def _written(record: Record) -> str:
    stages = [record[name] for name in ("denoise", "distill", "train") if name in record]
    found: dict[str, str] = next((stage["versions"] for stage in stages if "versions" in stage), {})
    sentences = [
        _opening(record, found),
        *_of_noise(record.get("noise")),
        *_of_training(record.get("train")),
        *_of_distillation(record.get("distill")),
        *_of_use(record.get("denoise")),
    ]
    references = [_APR_RD]
    if _plain(record):
        references.append(_AT_BSN)
    if any("napari" in stage.get("versions", {}) for stage in stages):
        references.append(_NAPARI)
    release = found.get("napari-aprrd", "")
    references.append(f"The napari-aprrd developers, napari-aprrd {release}".strip() + ".")
    numbered = [f"[{number}] {text}" for number, text in enumerate(references, start=1)]
    return "\n".join([" ".join(sentences), "", *numbered])


def _plain(record: Record) -> bool:
    """Whether the blind-spot network was trained with its plain loss, as AT-BSN is."""
    return record.get("train", {}).get("config", {}).get("replace") is False


def _opening(record: Record, found: dict[str, str]) -> str:
    subject = "Images were denoised" if "denoise" in record else "A denoising model was made"
    tools = [f"PyTorch {found['torch']}"] if "torch" in found else []
    tools += [f"napari {found['napari']}"] if "napari" in found else []
    used = f" ({', '.join(tools)})" if tools else ""
    name = f"napari-aprrd {found.get('napari-aprrd', '')}".strip()
    if "imported" in record:
        return f"{subject} by APR-RD [1] with {name}{used} and published weights."
    return f"{subject} by APR-RD [1], trained without clean images, with {name}{used}."


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
    way = "with the Adjacent Pixel Replacer "
    way += f"(window {config['window']}, lambda {config['regularization']:g}, "
    if not config["replace"]:
        way = "with its plain loss [2] ("
    way += f"shift {config['shift']})"
    return [f"A blind-spot network {_size(config)} was trained {way} {_schedule(stage)}."]


def _of_distillation(stage: Record | None) -> list[str]:
    if not stage:
        return []
    config = stage["config"]
    way = "Recharged Distillation" if config["recharge"] else "distillation"
    shifts = ", ".join(map(str, config["shifts"]))
    text = (
        f"It was distilled into a student {_size(config)} by {way} "
        f"(targets at shifts {shifts}) {_schedule(stage)}."
    )
    given_back = (
        "Where the residual of the targets' mean varied clearly more than the noise does, "
        "the excess was given back to them."
    )
    return [text, given_back] if config.get("give_back") else [text]


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
