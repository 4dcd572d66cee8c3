"""Long work in threads, and what is made of its results."""
