"""What goes wrong or changes: services, the database, clocks, kills; deployments, roles and channels."""
