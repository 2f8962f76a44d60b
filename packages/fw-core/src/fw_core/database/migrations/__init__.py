"""Alembic's environment; it travels in the wheel and needs no alembic.ini."""
