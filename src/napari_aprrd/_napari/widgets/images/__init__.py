"""Choice of layers, and what is said of them."""
