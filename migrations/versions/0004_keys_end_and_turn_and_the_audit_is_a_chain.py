"""Keys expire, are rotated and have limits; the audit is a chain; what is erased is seen to.

Revision 0004, after 0003. The audit rows that stand are linked as they stand: the chain vouches for
what happens to them from here on.
"""

import hashlib
import json
from datetime import UTC
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
OF_A_KEY: dict[str, sa.types.TypeEngine[Any]] = {
    "expires_at": MOMENT,
    "rotated_at": MOMENT,
    "last_used_at": MOMENT,
    "rate_per_s": sa.Double(),
    "upload_max_bytes": sa.BigInteger(),
}
FIELDS = ("id", "at", "workspace", "key_id", "action", "resource", "status", "request_id")
CHUNK = 5000


def upgrade() -> None:
    with op.batch_alter_table("keys") as keys:
        for name, kind in OF_A_KEY.items():
            keys.add_column(sa.Column(name, kind, nullable=True))
    op.create_table(
        "retired_secrets",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"],
            ["keys.id"],
            name=op.f("fk_retired_secrets_key_id_keys"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_retired_secrets")),
    )
    op.create_index(op.f("ix_retired_secrets_key_id"), "retired_secrets", ["key_id"], unique=False)
    op.create_table(
        "discarded",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("upload_sha256", sa.String(), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_discarded")),
    )
    with op.batch_alter_table("datasets") as datasets:
        datasets.add_column(sa.Column("erased_at", MOMENT, nullable=True))
    with op.batch_alter_table("audit") as audit:
        audit.add_column(sa.Column("hash", sa.String(), nullable=True))
    _link_all()
    with op.batch_alter_table("audit") as audit:
        audit.alter_column("hash", existing_type=sa.String(), nullable=False)


def _link_all() -> None:
    """As app.db.chain does with a new row; said again here, as a revision never changes."""
    table = sa.table("audit", sa.column("at", MOMENT), sa.column("hash"),
                     *(sa.column(name) for name in FIELDS if name != "at"))  # fmt: skip
    connection, before, number = op.get_bind(), "0" * 64, 0
    write = sa.update(table).where(table.c.id == sa.bindparam("of"))
    write = write.values(hash=sa.bindparam("made"))
    while True:
        page = sa.select(table).where(table.c.id > number).order_by(table.c.id).limit(CHUNK)
        rows = connection.execute(page).mappings().all()
        if not rows:
            return
        made = []
        for row in rows:
            before, number = _linked(before, row), row["id"]
            made.append({"of": number, "made": before})
        connection.execute(write, made)


def _linked(before: str, row: sa.RowMapping) -> str:
    content = {name: row[name] for name in FIELDS}
    at = row["at"] if row["at"].tzinfo is not None else row["at"].replace(tzinfo=UTC)
    content["at"] = at.astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()


def downgrade() -> None:
    with op.batch_alter_table("audit") as audit:
        audit.drop_column("hash")
    with op.batch_alter_table("datasets") as datasets:
        datasets.drop_column("erased_at")
    op.drop_table("discarded")
    op.drop_index(op.f("ix_retired_secrets_key_id"), table_name="retired_secrets")
    op.drop_table("retired_secrets")
    with op.batch_alter_table("keys") as keys:
        for name in OF_A_KEY:
            keys.drop_column(name)
