"""Images as scripts and consoles hand them over."""
