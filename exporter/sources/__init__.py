"""Where interactions come from: one module a technology."""
