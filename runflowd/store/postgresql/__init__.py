"""The store on PostgreSQL: the same statements and the same rows, in a database that several machines reach."""
