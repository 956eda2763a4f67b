"""The four-eyes principle: what an account may do only after somebody else has approved it (cockpit-services 10.4)."""
