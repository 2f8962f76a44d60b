"""Where results are kept: tables, their migrations, and one kept connection a process.

Nothing is loaded here, so that a process that only sends never pays for SQLAlchemy.
"""
