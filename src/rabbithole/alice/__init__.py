"""The book, learned letter by letter."""
