"""Results: the deliveries that show them, where they may be shown, and their copies."""
