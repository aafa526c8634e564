"""What a person sees. Pure."""
