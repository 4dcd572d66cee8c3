"""Learn from all TIFFs in a folder, then denoise each of them.

python examples/batch_folder.py noisy/ clean/

The shell does the same, with less memory: napari-aprrd denoise noisy/ -o clean/
"""

import sys
from pathlib import Path

import tifffile

import napari_aprrd as aprrd

source, target = map(Path, sys.argv[1:])
files = sorted(source.glob("*.tif"))
images = [tifffile.imread(file) for file in files]  # sizes may differ

teacher = aprrd.train_apr(images)
student = aprrd.distill_rd(teacher, images)

target.mkdir(exist_ok=True)
for file, image in zip(files, images, strict=True):
    tifffile.imwrite(target / file.name, aprrd.denoise(image, student))
    print(f"Wrote {target / file.name}")
