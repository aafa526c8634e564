"""Results: where they may be shown, and their copies."""
