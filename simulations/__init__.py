"""Programs that let much time pass, or much go wrong, and print what held: minutes each."""
