"""What the bytes mean. Pure: nothing here does I/O, reads a clock or rolls dice."""
