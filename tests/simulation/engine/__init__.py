"""The simulated machine: an event loop in virtual time, a network in memory, processes and databases."""
