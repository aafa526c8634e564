"""The documentation's pictures, which are screenshots of the demo's page."""
