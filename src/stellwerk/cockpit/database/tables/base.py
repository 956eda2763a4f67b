"""Column types and the one `MetaData` that all tables share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Text, text

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: 64-bit ids; SQLite counts by itself only for INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")


def id_column() -> Column[int]:
    return Column("id", Id, primary_key=True, autoincrement=True)


def reference(name: str, *, nullable: bool = False) -> Column[int]:
    """A column that holds an id of another table; not enforced, as rows of history outlive what they name."""
    return Column(name, Id, nullable=nullable)


def text_column(name: str, *, nullable: bool = True, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=nullable, **options)


def instant(name: str, *, nullable: bool = True) -> Column[int]:
    """Milliseconds since 1970-01-01T00:00Z."""
    return Column(name, BigInteger, nullable=nullable)


def flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, default=False, server_default=text("false"))
