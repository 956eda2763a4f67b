"""The command `stellwerk`."""
