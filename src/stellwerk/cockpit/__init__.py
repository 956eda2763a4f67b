"""The Cockpit: inventory, deployment, history, users, REST API, web UI, on a SQL database."""
