"""The result backend, and awaiting what is stored there."""
