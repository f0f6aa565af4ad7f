"""The folders of the collection: who does what, in the order of their work."""
