"""Values within values."""


def nested(depth: int) -> object:
    """Lists in lists, so many of them, with a text in the innermost."""
    value: object = "leaf"
    for _ in range(depth):
        value = [value]
    return value
