"""dead letters, and how often redelivered messages were started."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "fw_dead_letters",
        sa.Column("dead_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("state_at", moment, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("replay_id", sa.Text),
        sa.Column("task_id", sa.Text),
        sa.Column("task_name", sa.Text),
        sa.Column("queue", sa.Text),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("error_type", sa.Text, nullable=False),
        sa.Column("error_message", sa.Text, nullable=False),
        sa.Column("traceback", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("tries", sa.Text, nullable=False),
        sa.Column("arguments", sa.Text),
        sa.Column("worker", sa.Text),
        sa.Column("died_at", moment, nullable=False),
        sa.Column("collected_at", moment, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("properties", sa.Text, nullable=False),
        sa.Column("content_type", sa.Text),
        sa.Column("content_encoding", sa.Text),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("dead_id", name="fw_dead_letters_pkey"),
    )
    for columns in (("state", "died_at"), ("task_name", "died_at"), ("task_id",)):
        op.create_index(f"fw_dead_letters_{'_'.join(columns)}", "fw_dead_letters", columns)
    op.create_table(
        "fw_starts",
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("task_id", sa.Text),
        sa.Column("starts", sa.Integer, nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("worker", sa.Text),
        sa.PrimaryKeyConstraint("message_id", name="fw_starts_pkey"),
    )
    op.create_index("fw_starts_started_at", "fw_starts", ["started_at"])
