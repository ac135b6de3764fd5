"""The audit: what a representation still tells of an attribute."""

from keras_unbias.auditing.audit import audit
from keras_unbias.auditing.report import Audit, Estimate, Leakage

__all__ = ["Audit", "Estimate", "Leakage", "audit"]
