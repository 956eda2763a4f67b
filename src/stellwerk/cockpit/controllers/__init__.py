"""Controllers as the Cockpit sees them: who is registered, how to speak to them, their Agents, ids of new orders."""
