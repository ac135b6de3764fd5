"""Classifiers for use: exported and loaded."""

from keras_unbias.serving.load import Classifier, load_classifier

__all__ = ["Classifier", "load_classifier"]
