"""Edit and Use as input: the forms that bring a request back, and the service behind them."""
