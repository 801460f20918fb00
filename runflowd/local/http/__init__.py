"""The routes, and what every request and answer passes."""
