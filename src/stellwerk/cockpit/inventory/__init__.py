"""Inventory: what people have written, in their spelling, with its validity; nothing here reaches a Controller."""
