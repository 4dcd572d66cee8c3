"""Measurements of the noise, made on the noisy images alone."""
