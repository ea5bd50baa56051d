"""HTTP: the server, its routes, and the page for people."""
