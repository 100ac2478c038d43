"""Names of the studies that are a grid of runs, and what each asks."""

from __future__ import annotations

# Written out, since the studies themselves import torch, which help texts must not wait for.
STUDIES = {
    "kd-synthetic": "ALM-KD's synthetic study: which rows get which weight, and learning curves.",
    "kd-noise": "Wrong labels: do weights find them, and what is learnt in spite of them.",
    "kd-capacity": "Teachers that are far larger than the student.",
    "kd-multi": "Several teachers at once.",
    "kd-early": "Early epochs of the teacher as further teachers.",
    "kd-self": "Self-distillation: the teacher is a network of the student's own size.",
    "coreset": "Training on the rows that learnt weights choose.",
    "rules-and-teacher": "Labelling functions and a teacher in one run, mixed by AMAL.",
    "aux-rotation": "An auxiliary task that may help, and a useless one, under every mixer.",
    "mixers-rules": "Labelling functions under every way of mixing losses.",
    "mixers-distillation": "Labels and a teacher under every way of mixing losses.",
}
