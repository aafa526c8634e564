"""Builds the panel of `/settings`: its text, controls and forms. bot/domain/settings lists the fields."""
