"""Match text against a server's word list and AutoMod rules, within a time limit."""
