"""What looks at a model need to know of the others.

Revision: 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table of least shares. Times are microseconds since 1970 UTC."""
    op.create_table(
        "fleet",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("least_share", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_fleet_model")),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_fleet")),
    )


def downgrade() -> None:
    """Drops it."""
    op.drop_table("fleet")
