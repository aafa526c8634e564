"""What the operator configures: settings, roles, logging. The only package that reads the environment."""
