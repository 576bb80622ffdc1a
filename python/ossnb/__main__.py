"""`python -m ossnb` is the command `ossnb`."""

import sys

from .command.cli import main

sys.exit(main())
