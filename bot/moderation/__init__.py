"""A server's own rules: approval, words, budgets, who may use what, and the record of it all."""
