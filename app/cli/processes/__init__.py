"""Child processes with a lifetime: started, watched, and gone at the end with everything they started."""

from app.cli.processes.child import Child, Service, Sink, discard

__all__ = ["Child", "Service", "Sink", "discard"]
