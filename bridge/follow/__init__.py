"""Following: the live feed, one reader of it in a process, and whoever follows tasks, without gaps and doubles."""
