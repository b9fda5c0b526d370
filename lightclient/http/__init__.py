"""Bytes to a server and back inside a deadline, through urllib3."""
