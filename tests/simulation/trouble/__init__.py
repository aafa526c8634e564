"""Actions that cause trouble: faults of services, database and clocks, kills, and changed servers."""
