"""Check follow-ups against the deployments, turn them into inputs, and choose the message commands."""
