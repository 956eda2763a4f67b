"""A whole installation in one process on simulated time and disk."""
