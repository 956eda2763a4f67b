"""Monitoring: what has gone wrong, once each; who is told; alerts as people work with them (cockpit-services 6).

Pure: `jobs` (what a workflow says about its jobs), `xml_tree` and `configuration` (who wants to know what), `rules`
(observation → notifications), `messages` (texts). `service` is the active service: it takes the projection's
observations and writes what follows from them, and `recording` how. `delivery` sends what is in the outbox through
`channels`. `store` keeps the configuration, `alerts` what people do with alerts.
"""
