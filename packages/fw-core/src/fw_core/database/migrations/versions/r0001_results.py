"""results, groups and joins."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "fw_results",
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("task_name", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("error_type", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("traceback", sa.Text),
        sa.Column("children", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("started_at", moment),
        sa.Column("finished_at", moment),
        sa.Column("parent_id", sa.Text),
        sa.Column("root_id", sa.Text),
        sa.Column("group_id", sa.Text),
        sa.Column("worker", sa.Text),
        sa.PrimaryKeyConstraint("task_id", name="fw_results_pkey"),
    )
    op.create_table(
        "fw_groups",
        sa.Column("group_id", sa.Text, nullable=False),
        sa.Column("members", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("group_id", name="fw_groups_pkey"),
    )
    op.create_table(
        "fw_joins",
        sa.Column("join_id", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger),
        sa.Column("added", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger, nullable=False),
        sa.Column("claimed_by", sa.Text),
        sa.Column("claimed_at", moment),
        sa.Column("fired_at", moment),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("join_id", name="fw_joins_pkey"),
    )
    op.create_table(
        "fw_join_members",
        sa.Column("join_id", sa.Text, nullable=False),
        sa.Column("member_id", sa.Text, nullable=False),
        sa.Column("position", sa.Integer),
        sa.Column("task_name", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("error_type", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("ended_at", moment),
        sa.PrimaryKeyConstraint("join_id", "member_id", name="fw_join_members_pkey"),
    )
