"""The fair queue, and estimates of when its runs end."""
