"""What tests and simulations share: real programs under test, waiting, and what is right."""
