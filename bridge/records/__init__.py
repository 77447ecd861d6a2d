"""What is recorded of tasks: records, histories, and the list of them."""
