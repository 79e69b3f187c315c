"""`layertune migrate`: the schema at its newest revision, and an admin key on the first start."""

from app.auth import ensure_admin
from app.cli.show import out
from app.db.schema import head, upgrade
from app.db.session import writing
from app.settings import settings


def migrate() -> None:
    """Safe to run again, and by several at once: they wait in line."""
    upgrade()
    out.print(f"The database stands at revision {head()}.")
    kept = settings().var / "admin.key"
    with writing() as session:
        made = ensure_admin(session, kept, settings().admin_key)
    if made:
        # Never printed: what a container prints is kept in logs that others read.
        out.print(f"An admin key was made; it is kept in {kept}.", soft_wrap=True)
