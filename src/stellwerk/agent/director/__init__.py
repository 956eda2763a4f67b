"""The Director: owns the orders attached to this Agent and runs every instruction within its reach.

NOTE to whoever builds the Controller (24 Nov, 04:45): the lead writes the Agent side now (state.py, node.py, commands,
routes, agent/main.py). Please do the Controller whole first; look here before writing anything below agent/.
"""
