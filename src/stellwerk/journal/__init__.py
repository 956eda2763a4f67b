"""Durable append, group commit, snapshot, recovery, release: state is the fold of events (journal spec 4)."""
