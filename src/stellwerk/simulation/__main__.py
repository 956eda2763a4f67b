"""`python -m stellwerk.simulation`. All is in `command`, so that the processes of a pool can import it."""

from stellwerk.simulation.command import main

raise SystemExit(main())
