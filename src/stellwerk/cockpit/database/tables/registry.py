"""Small values of services by name (JOC_VARIABLES, cockpit-services 9.2): cursors, counters, keys of installation."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, Table

from stellwerk.cockpit.database.tables.base import METADATA, text_column

joc_variables = Table(
    "joc_variables",
    METADATA,
    text_column("name", nullable=False, primary_key=True),
    Column("numeric_value", BigInteger),
    text_column("text_value"),
    Column("binary_value", LargeBinary),
)
