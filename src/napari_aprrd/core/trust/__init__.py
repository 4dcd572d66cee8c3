"""Whether a result, or a model on other images, can be trusted."""
