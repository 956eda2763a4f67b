"""One active Cockpit, any number of others, on one database (cluster.md 4).

- `election`: who is active: a pure decision from what a member has seen of the one row.
- `members`: the tables. `membership`: the loop that reads, decides and does it.
- `active_services`: what runs on the active member only.
- `watch`: the seam to the watch of Controller pairs.
"""
