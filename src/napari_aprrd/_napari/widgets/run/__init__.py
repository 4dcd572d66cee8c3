"""Before, during and after a run."""
