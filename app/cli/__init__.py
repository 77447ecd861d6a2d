"""The `petiole` command. Importing this does nothing; `main` is the console script."""

import sys

from app.cli.exit_codes import INTERRUPTED


def main() -> None:
    """Run the command line and exit with the outcome. A known error is one sentence on stderr, never a traceback."""
    try:
        from app.cli.command import run  # here, so that Ctrl-C during the imports ends quietly too

        sys.exit(run())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
