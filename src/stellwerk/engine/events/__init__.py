"""The events of orders, items, Agents, Subagents and nodes, as structs with their JSON (orders spec 3, 6).

One module per family. An event is immutable; its key is beside it (`stellwerk.values.events`). Members equal to their
default are omitted, except `OrderAdded.planId`.
"""
