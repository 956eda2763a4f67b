"""HTTP between nodes: server, router, sessions, event streams with acknowledgement, client, TLS (journal spec 1 - 3).

Knows bytes, users and problems; knows no orders and no component. What a route does is passed in as a handler,
what an event stream delivers as an `EventSource`.
"""
