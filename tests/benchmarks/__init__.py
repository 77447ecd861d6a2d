"""Performance, as ratios of two things measured in the same run: ``python3 run.py bench [name…]``."""
