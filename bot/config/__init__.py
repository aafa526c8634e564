"""What the operator sets: environment, roles, logging. The only package that reads the environment."""
