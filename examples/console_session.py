"""A session in napari's console: train on a layer, distil, denoise all layers, save the model.

Open File > Open Sample > APR-RD denoising > "Cells, correlated noise", then paste this into the
console, or write there: %run -i console_session.py
"""

import napari_aprrd as aprrd

layer = viewer.layers["cells, correlated noise"]  # napari's console has `viewer`
print(*aprrd.inspect_noise(layer).advice, sep="\n")

teacher = aprrd.train_apr(layer)
training = aprrd.distill_rd(teacher, layer, background=True)  # the console is free meanwhile
student = training.result()

clean = aprrd.denoise(layer, student)
viewer.add_layer(clean)
student.save("cells.aprrd")
