"""Pictures for documents and for pages of studies, drawn with matplotlib (extra ``report``)."""
