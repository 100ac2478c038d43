"""Trained models as files that other programs run, and cards that describe them."""

from spear_amal.export.onnx_file import OnnxExport, export_onnx

__all__ = ["OnnxExport", "export_onnx"]
