"""Notes: what people have written about inventory objects (cockpit-services 10.10)."""
