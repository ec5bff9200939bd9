"""What the tests of all clouds share: an endpoint that can break, machines behind the addresses, the provider worker."""
