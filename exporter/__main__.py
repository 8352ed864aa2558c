"""`python -m exporter` is `kpi-exporter`."""

import sys

from exporter.cli import main

sys.exit(main())
