"""What submits tasks, each run by itself: prints a JSON object of tasks per second by the way they are submitted."""
