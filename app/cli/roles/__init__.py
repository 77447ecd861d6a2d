"""The roles a process can have: API, watcher, worker, Flower."""
