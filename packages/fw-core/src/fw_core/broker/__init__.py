"""The only room that imports Celery and kombu: topology, publishing, the app factory."""
