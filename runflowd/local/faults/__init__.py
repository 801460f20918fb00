"""The troubles the service can be asked to make."""
