"""Write a draft revision: the difference between a database at the newest revision and the tables in the code."""

import sys

from alembic import command
from sqlalchemy import create_engine

from stellwerk.cockpit.database.migrations import alembic_config


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit('usage: python -m stellwerk.cockpit.database.migrations "what changes"')
    with create_engine("sqlite://").connect() as connection:
        config = alembic_config(connection)
        command.upgrade(config, "head")
        heads = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
        following = f"{max((int(head) for head in heads), default=0) + 1:04d}"
        command.revision(config, sys.argv[1], autogenerate=True, rev_id=following)
    print(f"set HEAD = {following!r} in migrations/__init__.py")


main()
