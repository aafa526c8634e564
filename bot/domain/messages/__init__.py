"""Messages: what Discord should show about a request, and how it comes to show that."""
