"""What the axes of an array are called: by the user, by its labels, or guessed from its shape."""
