"""The fair queue, and when its runs should end."""
