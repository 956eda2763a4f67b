"""What people set while the Cockpit runs: its settings, and the JSON that profiles and identity services keep."""
