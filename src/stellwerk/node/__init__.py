"""What Controller and Agent share at run time: persist pipeline, timers, command intake."""
