"""The promises Petiole makes, each as a test."""
