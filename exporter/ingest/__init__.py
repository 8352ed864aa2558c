"""From a source into a store: what is new, what is late, what is missing."""
