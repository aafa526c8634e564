"""Commands and buttons, one file per command or kind of button. Each calls a service and shows its result."""
