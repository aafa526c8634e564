"""Build the panel of `/settings`: its text, controls and forms. bot/domain/settings defines the fields."""
