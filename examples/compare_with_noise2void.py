"""Why not Noise2Void? Both on white and on blobby noise, against the known truth.

python examples/compare_with_noise2void.py

Noise2Void hides one pixel and guesses it from its neighbours. The same network does the same with
a blind spot of one pixel (shift 1) and nothing replaced; so only the method differs here, not the
code. The figures of CAREamics' Noise2Void are in docs/benchmarks.md.
"""

import napari_aprrd as aprrd

print("noise    noisy   Noise2Void   napari-aprrd   (PSNR in dB)")
for kind in ("white", "blobby"):
    noisy, truth = aprrd.noisy_cells(kind=kind)
    one_pixel = aprrd.train_apr(noisy, axes="TYX", adapt=False, replace=False, shift=1, loss="l2")
    teacher = aprrd.train_apr(noisy, axes="TYX")
    student = aprrd.distill_rd(teacher, noisy, axes="TYX")
    images = (
        noisy,
        aprrd.denoise(noisy, one_pixel, axes="TYX", shifts=(1,)),
        aprrd.denoise(noisy, student, axes="TYX"),
    )
    decibels = [aprrd.evaluate(image, truth).psnr for image in images]
    print("{:7} {:6.1f} {:12.1f} {:14.1f}".format(kind, *decibels))
