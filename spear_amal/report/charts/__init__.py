"""Charts of pages that react: Vega-Lite specifications, made with Altair (extra ``report``).

Pages that people look at hold these; they are drawn by the browser, without a network. Pictures for
documents, and figures of studies, are drawn by :mod:`spear_amal.report.figures`.
"""
