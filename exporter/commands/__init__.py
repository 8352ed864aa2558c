"""The commands, one module each: `TEXT`, `add_arguments(parser)` and `run(options)`."""
