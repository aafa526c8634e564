"""Start and follow runs. bot/domain decides what an update changes, and bot/delivery posts the messages."""
