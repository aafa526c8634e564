"""Create all tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v1_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=True),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("subject_id", sa.BigInteger(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("run_key", sa.Text(), nullable=True),
        sa.Column("deployment", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_guild", "audit", ["guild_id", "at"], unique=False)
    op.create_index("audit_subject", "audit", ["guild_id", "subject_id", "at"], unique=False)
    op.create_index("audit_user", "audit", ["subject_id", "at"], unique=False)
    op.create_table(
        "blocks",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("until", sa.DateTime(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "user_id"),
    )
    op.create_table(
        "channel_defaults",
        sa.Column("channel_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(), nullable=True),
        sa.Column("set_by", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("channel_id"),
    )
    op.create_index("channel_defaults_preset", "channel_defaults", ["guild_id", "folded"], unique=False)
    op.create_index("channel_defaults_setter", "channel_defaults", ["set_by"], unique=False)
    op.create_table(
        "key_values",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "presets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("holder_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("gpu", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("is_default", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("presets_creator", "presets", ["created_by"], unique=False)
    op.create_index("presets_name", "presets", ["holder", "holder_id", "folded"], unique=True)
    op.create_table(
        "queues",
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("virtual_time", sa.BigInteger(), nullable=False),
        sa.Column("waits_for", sa.Text(), nullable=True),
        sa.Column("waits_params", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("deployment"),
    )
    op.create_table(
        "requests",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("requester_id", sa.BigInteger(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=True),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("parent_key", sa.Text(), nullable=True),
        sa.Column("preset_note", sa.Text(), nullable=True),
        sa.Column("count", sa.Integer(), server_default="1", nullable=False),
        sa.Column("press", sa.Text(), nullable=True),
        sa.Column("private", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("age_restricted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("channel_age_restricted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("file_deployments", sa.JSON(), nullable=False),
        sa.Column("application_id", sa.BigInteger(), nullable=False),
        sa.Column("interaction_id", sa.BigInteger(), nullable=True),
        sa.Column("interaction_token", sa.Text(), nullable=True),
        sa.Column("interaction_expires_at", sa.DateTime(), nullable=True),
        sa.Column("upload_limit", sa.BigInteger(), nullable=False),
        sa.Column("user_install", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("status_message_id", sa.BigInteger(), nullable=True),
        sa.Column("status_note", sa.Text(), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.Column("deadline_seconds", sa.Integer(), nullable=False),
        sa.Column("review_channel_id", sa.BigInteger(), nullable=True),
        sa.Column("requester_joined_at", sa.DateTime(), nullable=True),
        sa.Column("requester_roles", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(), nullable=True),
        sa.Column("spoiler", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("requests_created", "requests", ["created_at"], unique=False)
    op.create_index(
        "requests_ending",
        "requests",
        ["interaction_expires_at"],
        unique=False,
        sqlite_where=sa.text("user_install AND interaction_expires_at IS NOT NULL"),
        postgresql_where=sa.text("user_install AND interaction_expires_at IS NOT NULL"),
    )
    op.create_index("requests_guild", "requests", ["guild_id", "created_at"], unique=False)
    op.create_index("requests_interaction", "requests", ["interaction_id"], unique=True)
    op.create_index("requests_requester", "requests", ["requester_id", "created_at"], unique=False)
    op.create_table(
        "server_rules",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("updated_by", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("guild_id"),
    )
    op.create_index("server_rules_retention", "server_rules", ["retention_days", "guild_id"], unique=False)
    op.create_table(
        "usage",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("weighted_seconds", sa.Float(), nullable=False),
        sa.Column("given_back", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "guild_id", "person_id"),
    )
    op.create_index("usage_person", "usage", ["person_id", "day"], unique=False)
    op.create_table(
        "runs",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_key", sa.Text(), nullable=False),
        sa.Column("index", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("requester_id", sa.BigInteger(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=True),
        sa.Column("user_limit", sa.Integer(), nullable=True),
        sa.Column("server_limit", sa.Integer(), nullable=True),
        sa.Column("queue_tag", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("deployment_id", sa.Text(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("gpu", sa.Text(), nullable=True),
        sa.Column("expected_gpu", sa.Text(), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("live_status", sa.Text(), nullable=True),
        sa.Column("progress", sa.Float(), nullable=True),
        sa.Column("queue_position", sa.Integer(), nullable=True),
        sa.Column("outputs", sa.JSON(), nullable=False),
        sa.Column("gpu_used", sa.Text(), nullable=True),
        sa.Column("run_duration", sa.Float(), nullable=True),
        sa.Column("duration_in_doubt", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(), nullable=True),
        sa.Column("started_at", sa.DateTime(), nullable=True),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(), nullable=True),
        sa.Column("cancelled_by", sa.BigInteger(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("failure_params", sa.JSON(), nullable=False),
        sa.Column("failure_log", sa.Text(), nullable=True),
        sa.Column("partial", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("outputs_since", sa.DateTime(), nullable=True),
        sa.Column("deleted_at", sa.DateTime(), nullable=True),
        sa.Column("deleted_by", sa.BigInteger(), nullable=True),
        sa.Column("erased_at", sa.DateTime(), nullable=True),
        sa.Column("report_channel_id", sa.BigInteger(), nullable=True),
        sa.Column("weight", sa.Float(), server_default="1", nullable=False),
        sa.Column("reserved_seconds", sa.Float(), server_default="60", nullable=False),
        sa.Column("charged_seconds", sa.Float(), nullable=True),
        sa.Column("charged_on", sa.Date(), nullable=True),
        sa.Column("counts_as_run", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("waiting_code", sa.Text(), nullable=True),
        sa.Column("waiting_params", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("due_at", sa.DateTime(), nullable=True),
        sa.Column("checks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("submissions", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claim_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["request_key"], ["requests.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("runs_due", "runs", ["state", "due_at"], unique=False)
    op.create_index("runs_ended", "runs", ["state", "ended_at"], unique=False)
    op.create_index("runs_guild_state", "runs", ["guild_id", "state", "created_at"], unique=False)
    op.create_index(
        "runs_in_flight",
        "runs",
        ["state", "guild_id", "requester_id", "deployment"],
        unique=False,
        sqlite_where=sa.text("state IN ('submitting', 'queued', 'running', 'uploading')"),
        postgresql_where=sa.text("state IN ('submitting', 'queued', 'running', 'uploading')"),
    )
    op.create_index(
        "runs_queue",
        "runs",
        [
            "deployment",
            "queue_tag",
            "created_at",
            "key",
            "guild_id",
            "requester_id",
            "user_limit",
            "server_limit",
            "due_at",
            "state",
        ],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("runs_request", "runs", ["request_key", "index"], unique=True)
    op.create_index("runs_turns", "runs", ["deployment", "requester_id", "queue_tag"], unique=False)
    op.create_table(
        "messages",
        sa.Column("request_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("wanted_rev", sa.Integer(), server_default="1", nullable=False),
        sa.Column("shown_rev", sa.Integer(), server_default="0", nullable=False),
        sa.Column("posted", sa.JSON(), nullable=False),
        sa.Column("stale", sa.JSON(), nullable=False),
        sa.Column("attempt", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("form", sa.Integer(), server_default="0", nullable=False),
        sa.Column("place", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("farewell_at", sa.DateTime(), nullable=True),
        sa.Column("channel_id", sa.BigInteger(), nullable=True),
        sa.Column("with_prompt", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("offered", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("deleted_by", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["request_key"], ["requests.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("request_key", "kind", "number"),
    )
    op.create_index(
        "messages_due",
        "messages",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("wanted_rev > shown_rev"),
        postgresql_where=sa.text("wanted_rev > shown_rev"),
    )
    op.create_index(
        "messages_farewell",
        "messages",
        ["farewell_at"],
        unique=False,
        sqlite_where=sa.text("farewell_at IS NOT NULL"),
        postgresql_where=sa.text("farewell_at IS NOT NULL"),
    )
    op.create_index(
        "messages_offered",
        "messages",
        ["request_key"],
        unique=False,
        sqlite_where=sa.text("offered"),
        postgresql_where=sa.text("offered"),
    )
    op.create_index(
        "runs_places",
        "runs",
        ["deployment", sa.text("coalesce(queue_position, 0)"), "due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "runs_succeeded",
        "runs",
        ["deployment", sa.text("coalesce(expected_gpu, '')"), "ended_at"],
        unique=False,
        sqlite_where=sa.text("state = 'succeeded'"),
        postgresql_where=sa.text("state = 'succeeded'"),
    )


def downgrade() -> None:
    op.drop_table("messages")
    op.drop_table("runs")
    op.drop_table("usage")
    op.drop_table("server_rules")
    op.drop_table("requests")
    op.drop_table("queues")
    op.drop_table("presets")
    op.drop_table("key_values")
    op.drop_table("channel_defaults")
    op.drop_table("blocks")
    op.drop_table("audit")
