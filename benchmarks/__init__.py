"""What the exporter costs, each figure beside the floor that it is measured against."""
