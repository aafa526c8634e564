"""Commands and buttons, one file per subject. Each handler calls a service and shows its result."""
