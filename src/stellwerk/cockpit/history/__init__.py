"""What the Cockpit does with history once the projection has written it: lists, search, statistics.

Five million rows are an ordinary history: each list says by which index it is found (`selection`).
"""
