"""Clouds of AWS for tests: moto behind an endpoint that sees every call, and one of our own that is as strict as AWS."""
