"""What every part of the bot shares."""
