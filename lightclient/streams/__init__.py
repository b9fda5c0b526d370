"""Many texts: read in chunks, sent in requests of which several are under way, in order."""
