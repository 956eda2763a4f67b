"""The engine: what an order does next. `decide` returns events, `apply` folds them. Pure."""
