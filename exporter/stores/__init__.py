"""Where interactions and tallies are kept: one module a technology."""
