"""Exit codes that are no outcome of a command."""

INTERRUPTED = 130
"""What shells report for a process that Ctrl-C ended."""
