"""The work itself, without Celery: each module computes what the task of the same name returns."""
