"""Watching: what workers say and store of tasks, made into status updates; and what nobody said, found out."""
