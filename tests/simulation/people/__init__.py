"""Actions of people: members, moderators, the bot's owner and strangers."""
