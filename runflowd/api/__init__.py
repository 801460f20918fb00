"""A typed async client of the Runflow API that survives every reading of its documentation."""
