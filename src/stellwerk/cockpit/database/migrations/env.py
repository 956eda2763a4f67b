"""Entered by Alembic: run migrations on the connection that `upgrade` hands over, in its transaction."""

from alembic import context

from stellwerk.cockpit.database.migrations import is_described
from stellwerk.cockpit.database.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=False, include_object=is_described)
context.run_migrations()
