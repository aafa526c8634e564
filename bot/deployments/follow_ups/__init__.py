"""Link follow-ups to their deployments, prepare the inputs of their runs, and choose the message commands."""
