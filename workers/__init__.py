"""Stock Celery workers: the tasks that Petiole ships. Imports neither `app` nor `bridge`."""
