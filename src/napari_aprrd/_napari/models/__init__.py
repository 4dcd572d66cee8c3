"""The models of the session: kept, chosen, described, read."""
