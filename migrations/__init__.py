"""Alembic migrations, linear and numbered."""
