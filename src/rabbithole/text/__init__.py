"""Character models of a book: fetch the text, train the two models of `models.text`, sample from them."""
