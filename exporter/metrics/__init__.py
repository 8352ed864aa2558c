"""What Prometheus sees: families, snapshot, exposition."""
