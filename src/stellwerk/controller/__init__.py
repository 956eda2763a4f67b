"""The Controller: owns orders that are not at an Agent, orchestrates Agents."""
