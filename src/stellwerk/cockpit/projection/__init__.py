"""From a Controller's events to rows: history, logs, live state (cockpit-services 5; orders spec 3).

`fold` is pure: a batch of lines and the live orders they touch give `Changes`. `writer` loads those orders, folds, and
writes rows and cursor in one transaction. `follower` reads the Controller's stream, hands batches to the writer and
releases events at the Controller after the commit.
"""
