"""Workflows by task name: a plan is read, checked as a whole, and run.

::

    data ─▶ reading ─▶ Plan ─▶ checking ─▶ running on Celery's canvas

A plan is a frozen value. Nothing is sent before all of it is known to fit together.
"""
