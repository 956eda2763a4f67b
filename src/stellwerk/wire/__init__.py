"""HTTP between nodes: server, sessions, client, acknowledged event streams (journal spec 1 to 3)."""
