"""All of Petiole on this machine, and the Redis or Valkey of its own."""
