"""What can be asked about a text: its classes, any labels, or how well it fits a query."""
