"""``python -m app.cli``: the same as `petiole`, for an environment whose scripts are not on PATH."""

from app.cli import main

if __name__ == "__main__":
    main()
