"""Python client. Grows with later issues."""
