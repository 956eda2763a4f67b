"""The service `cleanup`: removes what is older than the settings allow (cockpit-services 9.3)."""
