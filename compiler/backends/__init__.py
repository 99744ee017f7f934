"""One file per target a Plan is turned into."""
