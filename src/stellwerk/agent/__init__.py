"""The Agent: director/ owns the orders attached to it, subagent/ runs their processes."""
