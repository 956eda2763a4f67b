"""Help for authors of workflows: check, explain, JSON Schema, unit tests on simulated time.

Reads files, and uses the language and the engine only: no node, no process, no clock.
"""
