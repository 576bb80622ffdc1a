"""`python -m ossnb` is the command `ossnb`."""

import sys

from .cli import main

sys.exit(main())
