"""Submitting: calls become task messages, and Redis takes them: each is queued and recorded, or neither."""
