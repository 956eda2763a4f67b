"""The workflow language: workflows, jobs, expressions, positions (workflow spec). Pure."""
