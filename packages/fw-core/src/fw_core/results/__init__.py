"""Results: written by the worker, read by the team's app through ``TaskResult``.

Nothing is loaded here; SQLAlchemy comes in at the first read or write, not before.
"""
