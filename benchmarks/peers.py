"""Denoise one image with another tool: python peers.py METHOD IN.tif OUT.tif MINUTES

Or measure Noise2Void's speed: python peers.py speed THREADS

Runs in an environment of its own (CAREamics pins another torch):

    python -m venv peers && peers/bin/pip install careamics==0.3.5 bm3d scikit-image tifffile
"""

from __future__ import annotations

import sys
import tempfile
import time

import numpy as np
import tifffile
from numpy.typing import NDArray

Image = NDArray[np.float32]


def main() -> None:
    if sys.argv[1] == "speed":
        speed(int(sys.argv[2]))
        return
    method, source, target, minutes = sys.argv[1:]
    image = tifffile.imread(source).astype(np.float32)
    tifffile.imwrite(target, METHODS[method](image, float(minutes)).astype(np.float32))


def nlm(image: Image, minutes: float) -> Image:
    """Non-local means; the strength was the best of several on the wide-field image."""
    from skimage.restoration import denoise_nl_means, estimate_sigma

    rgb = image.shape[-1] == 3
    strength = 2.4 * float(np.mean(estimate_sigma(image, channel_axis=-1 if rgb else None)))
    if not rgb and image.ndim == 3:
        return np.stack([nlm(plane, minutes) for plane in image])
    return denoise_nl_means(image, h=strength, channel_axis=-1 if rgb else None, fast_mode=True)


def bm3d(image: Image, minutes: float) -> Image:
    """Block matching, with scikit-image's noise estimate."""
    import bm3d as package
    from skimage.restoration import estimate_sigma

    if image.ndim == 3 and image.shape[-1] != 3:
        return np.stack([bm3d(plane, minutes) for plane in image])
    rgb = image.shape[-1] == 3
    sigma = float(np.mean(estimate_sigma(image, channel_axis=-1 if rgb else None)))
    return package.bm3d_rgb(image, sigma) if rgb else package.bm3d(image, sigma)


def speed(threads: int, steps: int = 20, side: int = 2048) -> None:
    """Print CAREamics's Noise2Void: a training step of 4 x 64 x 64, and predicting a plane."""
    import torch
    from careamics import CAREamist
    from careamics.config.factories.n2v_factory import create_advanced_n2v_config

    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    config = create_advanced_n2v_config(
        experiment_name="speed",
        data_type="array",
        axes="YX",
        patch_size=[64, 64],
        batch_size=4,
        num_epochs=1,
        num_workers=0,
        trainer_params={"limit_train_batches": steps},
    )
    image = np.random.default_rng(0).normal(100, 30, (side, side)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        tool = CAREamist(config, work_dir=folder, enable_progress_bar=False)
        begun = clock()
        tool.train(train_data=image)
        trained = clock()
        tool.predict(image)
        predicted = clock() - trained
    print(f"CAREamics N2V: {(trained - begun) / steps:.3f} s per training step, start included")
    print(f"CAREamics N2V: {side**2 / 1e6 / predicted:.3g} megapixels/s predicted")


def careamics(image: Image, minutes: float, **settings: object) -> Image:
    """Noise2Void and its variants, with CAREamics's defaults and a limit on the time."""
    from careamics import CAREamist
    from careamics.config.factories.n2v_factory import create_advanced_n2v_config

    rgb = image.shape[-1] == 3
    axes = "YXC" if rgb else "YX" if image.ndim == 2 else "SYX"
    config = create_advanced_n2v_config(
        experiment_name="peer",
        data_type="array",
        axes=axes,
        patch_size=[64, 64],
        batch_size=16,
        num_epochs=10_000,
        n_channels=3 if rgb else None,
        num_workers=0,
        trainer_params={"max_time": {"seconds": round(60 * minutes)}},
        seed=1,
        **settings,
    )
    with tempfile.TemporaryDirectory() as folder:
        tool = CAREamist(config, work_dir=folder, enable_progress_bar=False)
        tool.train(train_data=image)
        # It predicts only sides that are multiples of 4.
        ends = [
            (0, -n % 4 if axis in "YX" else 0) for axis, n in zip(axes, image.shape, strict=True)
        ]
        padded = np.pad(image, ends, mode="reflect")
        output = tool.predict(padded)[0]
    planes = np.squeeze(np.concatenate([np.asarray(plane) for plane in output]))
    if rgb and planes.shape != padded.shape:
        planes = np.moveaxis(planes, 0, -1)
    return planes.reshape(padded.shape)[tuple(slice(n) for n in image.shape)]


def n2v3d(image: Image, minutes: float) -> Image:
    """Noise2Void in 3-D: planes are slices of a volume, padded at both ends by reflection."""
    from careamics import CAREamist
    from careamics.config.factories.n2v_factory import create_advanced_n2v_config

    depth = 8  # planes: the least that its network takes
    config = create_advanced_n2v_config(
        experiment_name="peer",
        data_type="array",
        axes="ZYX",
        patch_size=[depth, 64, 64],
        batch_size=4,
        num_epochs=10_000,
        num_workers=0,
        trainer_params={"max_time": {"seconds": round(60 * minutes)}},
        seed=1,
    )
    before = max((depth - len(image) + 1) // 2, 0)
    after = max(depth - len(image), 0) - before
    after += -(len(image) + before + after) % 4
    ends = [(before, after), *((0, -n % 4) for n in image.shape[1:])]
    padded = np.pad(image, ends, mode="symmetric")
    with tempfile.TemporaryDirectory() as folder:
        tool = CAREamist(config, work_dir=folder, enable_progress_bar=False)
        tool.train(train_data=padded)
        output = tool.predict(padded)[0]
    volume = np.squeeze(np.asarray(output)).reshape(padded.shape)
    return volume[before : before + len(image), : image.shape[1], : image.shape[2]]


METHODS = {
    "nlm": nlm,
    "bm3d": bm3d,
    "n2v": careamics,
    "n2v3d": n2v3d,
    "n2v2": lambda image, minutes: careamics(image, minutes, use_n2v2=True),
    "structn2v": lambda image, minutes: careamics(
        image, minutes, struct_n2v_axes="square", struct_n2v_span=5, augmentations=[]
    ),
}

if __name__ == "__main__":
    main()
