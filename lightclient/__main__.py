"""`python -m lightclient` is the `lightclient` command."""

import sys

from lightclient.cli import main

sys.exit(main())
