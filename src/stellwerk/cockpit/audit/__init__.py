"""The audit log: who has changed what, when and why (cockpit-api 1.8, cockpit-services 10.1)."""
