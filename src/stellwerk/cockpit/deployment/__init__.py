"""Deployment: inventory objects become signed items of a Controller; what was sent where is kept for ever."""
