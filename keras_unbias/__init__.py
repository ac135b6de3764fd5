"""Classifiers whose features carry little information about an attribute."""

import lazy_loader

__version__ = "0.1.0"

# The stub lists the public names. Each is imported on its first use, so that
# importing the package does not import TensorFlow.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
