"""The options of every command: fields are flags, and for some commands keys of a TOML file."""
