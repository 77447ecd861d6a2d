"""The HTTP API as its client sees it, and a task followed to its end."""
