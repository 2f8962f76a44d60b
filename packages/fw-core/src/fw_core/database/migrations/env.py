"""Run by Alembic: on the connection that fw's own upgrade holds, in its transaction."""

from __future__ import annotations

from alembic import context

from fw_core.database.schema import is_ours
from fw_core.database.tables import VERSION_TABLE, metadata

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=is_ours,
    on_version_apply=attributes.get("note"),
)
with context.begin_transaction():
    context.run_migrations()
