"""Records and rules of showing results."""
