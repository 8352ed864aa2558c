"""`kpi-exporter serve` under a fast clock: the real program, real sockets, other time.

``python -m simulations.daemon CONFIG LISTEN START BEGAN SPEED``
"""

import os
import sys
from pathlib import Path

from exporter import logs
from exporter.config import load
from exporter.crash import end_where_memory_is_out
from exporter.daemon import serve as app
from exporter.ports import StoreError
from simulations.clock import FastClock, FastSchedule


def main(config: str, listen: str, *clock: str) -> int:
    logs.set_up("info", "logfmt")
    end_where_memory_is_out()
    try:
        return app.serve(
            load(Path(config), os.environ),
            config_file=Path(config),
            web=app.WebFlags(listen=listen, lifecycle=True),
            schedule=FastSchedule(FastClock.of(*clock)),
        )
    except StoreError as error:
        sys.stderr.write(f"kpi-exporter serve: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
