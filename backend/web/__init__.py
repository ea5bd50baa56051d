"""HTTP: the server, its routes, the page for people, and the fast path for events about labels."""
