"""What is seen of the program: incidents, status, metrics, and a log that no flood can fill."""
