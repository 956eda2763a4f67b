"""Stellwerk: workload automation, compatible with the JS7 JobScheduler from outside."""

__version__ = "0.1.0"
