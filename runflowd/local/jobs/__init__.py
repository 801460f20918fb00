"""What works behind the routes: runs, their results, callbacks on their way."""
