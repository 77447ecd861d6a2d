"""The routes, one module for each thing there is."""
