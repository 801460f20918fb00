"""The four stages, and what every stage is given. The store is the queue between them."""
