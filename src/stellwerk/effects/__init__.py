"""Effects at the edge: the protocols through which components reach clock, randomness, disk, peers and processes.

Each has a real implementation and a simulated one (`stellwerk.simulation`); components get them passed in and know
nothing else of the world. Timers (`asyncio.sleep`, `loop.call_at`) are used directly: the simulation replaces the
event loop, which makes their time virtual.
"""
