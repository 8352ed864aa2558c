"""`python -m exporter` is `kpi-exporter`."""

import sys

from exporter.commands.main import main

sys.exit(main())
