"""Reports on whether a result, or a model on other images, can be trusted."""
