"""The XML schema of notification configurations, for editors. What is in force is checked by `configuration`."""

from __future__ import annotations

from importlib.resources import files

SCHEMA_NAME = "Notification_configuration_v1.0.xsd"
SCHEMA = files(__package__).joinpath("notification.xsd").read_text("utf-8")
