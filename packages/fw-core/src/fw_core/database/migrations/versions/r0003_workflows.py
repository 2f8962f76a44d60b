"""workflows, the steps of each, and what old results are found by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "fw_workflows",
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("sent_at", moment),
        sa.Column("cancelled_at", moment),
        sa.PrimaryKeyConstraint("workflow_id", name="fw_workflows_pkey"),
    )
    op.create_index("fw_workflows_created_at", "fw_workflows", ["created_at"])
    op.add_column("fw_results", sa.Column("step", sa.Text))
    is_step = sa.text("step IS NOT NULL")
    op.create_index(
        "fw_results_workflow",
        "fw_results",
        ["root_id"],
        postgresql_where=is_step,
        sqlite_where=is_step,
    )
    # Rows come in the order of their time: one small entry for many of them is enough.
    for table, column in (("fw_results", "created_at"), ("fw_joins", "created_at")):
        op.create_index(f"{table}_{column}", table, [column], postgresql_using="brin")
