"""C sources of the host runtime; a package so that the headers and sources travel with the wheel."""
