"""The settings of a server: its rules, and the fields of `/settings` that change them."""
