"""Follow-ups of results: checked against the deployments, turned into inputs, listed as message commands."""
