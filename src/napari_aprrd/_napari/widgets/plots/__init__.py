"""Plots, and the buttons of the maps."""
