"""`python -m stellwerk.cli` is the command `stellwerk`."""

from __future__ import annotations

from stellwerk.cli.main import main

if __name__ == "__main__":
    main()
