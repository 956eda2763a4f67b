"""Who calls and what they may do: accounts, sessions, permissions. Knows no HTTP and no endpoint."""
