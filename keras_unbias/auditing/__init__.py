"""Audits of representations: what features reveal about an attribute."""

from keras_unbias.auditing.audit import audit
from keras_unbias.auditing.report import Audit, Leakage

__all__ = ["Audit", "Leakage", "audit"]
