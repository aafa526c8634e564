"""The pictures of the documentation, taken from the real page of the demo."""
