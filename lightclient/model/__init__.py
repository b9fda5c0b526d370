"""What the client knows of a model: its bundle, and how its texts become token ids."""
