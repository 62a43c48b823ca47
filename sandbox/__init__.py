"""The embedded AWS account: moto serves the APIs, this package makes them strict and makes them run."""
