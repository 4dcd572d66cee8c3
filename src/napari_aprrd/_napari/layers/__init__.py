"""Layers: which are meant, what they say, what of them is on screen."""
