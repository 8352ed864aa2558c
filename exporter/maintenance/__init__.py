"""What commands do with a store that exists."""
