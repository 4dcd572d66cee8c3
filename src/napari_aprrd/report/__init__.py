"""The trust report of arrays, layers and files, and its page."""
