"""The machine: an event loop in virtual time, a network in memory, processes that die, databases."""
