"""Finished classifiers: `export` writes them, `load` reads them."""
