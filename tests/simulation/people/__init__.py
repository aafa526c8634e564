"""What people do: members, moderators, the owner and strangers."""
