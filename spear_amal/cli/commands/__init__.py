"""The commands as typer sees them: arguments and help; heavy imports wait for the call."""
