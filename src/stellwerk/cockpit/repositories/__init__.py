"""Working copies of Git repositories with the files of inventory objects (cockpit-services 10.6)."""
