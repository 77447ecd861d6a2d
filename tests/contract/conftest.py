"""Celery may be absent, as in the service's own environment: then nothing here is collected."""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("celery") else ["test_*.py"]
