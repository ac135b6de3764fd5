"""Audits of representations: what features reveal about an attribute."""

from keras_unbias.auditing.audit import audit
from keras_unbias.auditing.critics import held_out_bound
from keras_unbias.auditing.report import Audit, Estimate, Leakage

__all__ = ["Audit", "Estimate", "Leakage", "audit", "held_out_bound"]
