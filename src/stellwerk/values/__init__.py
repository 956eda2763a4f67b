"""Plain values that every layer speaks: problems, ids, event ids, JSON.

Pure: nothing in this package reads a clock, draws randomness, touches a file or knows asyncio.
"""
