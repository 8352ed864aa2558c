"""The long-running process: schedule, jobs, signals, and what the web reads."""
