"""The workers and queues of an installation: what is there, what is heard of it, and remote control."""
