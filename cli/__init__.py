"""The sevenm command: one file per subcommand."""
