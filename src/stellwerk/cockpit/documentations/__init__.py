"""Documentations: files that people have uploaded, and which objects refer to them (cockpit-services 10.2)."""
