"""The demo: four tasks, played and checked."""
