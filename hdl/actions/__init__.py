"""What is done with marked packets: the stage behind a core, and its parts."""
