"""Files of our own: written aside and then renamed; tensors without pickle."""
