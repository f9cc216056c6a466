"""`python -m grux`: the same as the command `grux`."""

import sys

from grux.cli import main

if __name__ == "__main__":
    sys.exit(main())
