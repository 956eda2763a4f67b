"""The Cockpit's SQL database: SQLAlchemy Core tables by subject, migrations, and one object to read and write with.

All SQL of the Cockpit is written against `tables/`; nothing outside the Cockpit knows that a DBMS exists.
"""

from stellwerk.cockpit.database.database import Database, insert_row

__all__ = ["Database", "insert_row"]
