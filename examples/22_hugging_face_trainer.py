"""A Hugging Face Trainer with two losses, a label's and a rule's, mixed row by row.

You learn to train a transformer on few labels and on votes of rules: `MixerTrainer` is a Trainer
that is given a mixer, a function from outputs and inputs to losses by row, and validation rows to
learn weights from. The model is a tiny BERT that starts from nothing: no file is downloaded.

Run from the repository root: python examples/22_hugging_face_trainer.py [--small]
"""

import tempfile

import torch
from shared import SMALL
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForSequenceClassification, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback

from spear_amal import LossMixer
from spear_amal.data import partition, synthetic_corpus
from spear_amal.label_models import MajorityVote
from spear_amal.labeling import PandasLFApplier, load_lfs
from spear_amal.loop.hugging_face import MixerTrainer

EPOCHS, LENGTH, UNKNOWN = (4 if SMALL else 15), 40, -100
COLUMNS = {"label": "labels", "rule": "rule"}  # loss -> column with its classes

# 1. Texts, a few of them labelled; all have the majority vote of the rules, or none.
corpus = synthetic_corpus(n=600 if SMALL else 1500, n_test=200 if SMALL else 400)
parts = partition(corpus, seed=0)
y = parts.observed_labels(corpus.labels)  # -1 where training must not see it
lfs, classes = load_lfs("labeling_functions/plots.py")
votes = PandasLFApplier(lfs, classes).apply(corpus.frame)
rule = MajorityVote().fit(votes).predict(votes)
print(f"{corpus}: {len(parts.labelled)} labelled, rules speak on {(rule >= 0).mean():.0%} of rows")

# 2. Words to numbers, from training texts; 0 fills up, 1 is a word that is new.
words = sorted({word for row in parts.train for word in corpus.texts[row].lower().split()})
number = {word: i for i, word in enumerate(words, start=2)}


def encoded(rows, labels):
    data = []
    for place, row in enumerate(rows):
        ids = [number.get(word, 1) for word in corpus.texts[row].lower().split()][:LENGTH]
        rest = [0] * (LENGTH - len(ids))
        known = {"labels": labels[row], "rule": rule[row]}
        known = {name: UNKNOWN if value < 0 else int(value) for name, value in known.items()}
        mask = [1] * len(ids) + rest
        data.append({"input_ids": ids + rest, "attention_mask": mask, "rows": place, **known})
    return data


def row_losses(outputs, inputs):
    targets = {loss: inputs[column] for loss, column in COLUMNS.items()}
    losses = {k: cross_entropy(outputs.logits, t, reduction="none") for k, t in targets.items()}
    return losses, torch.stack(list(targets.values()), dim=1) != UNKNOWN  # and where they apply


train, val = encoded(parts.train, y), encoded(parts.validation, y)
test = encoded(parts.test, corpus.labels)

# 3. The same start, three ways of weighing the losses. One run each: a throw of dice.
sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
sizes |= {"vocab_size": len(words) + 2, "max_position_embeddings": LENGTH}
config = BertConfig(num_hidden_layers=1, **sizes)
steps = {"num_train_epochs": EPOCHS, "per_device_train_batch_size": 32, "learning_rate": 2e-3}
quiet = {"save_strategy": "no", "logging_strategy": "no", "report_to": [], "disable_tqdm": True}
mixed = {"row_losses": row_losses, "columns": ["rule"], "validation": val}
for title, name in {"label alone": "single", "plain sum": "fixed", "AMAL": "amal"}.items():
    set_seed(0)
    mixer = LossMixer(name, list(COLUMNS), n_rows=len(train), y=y[parts.train])
    options = TrainingArguments(tempfile.gettempdir(), use_cpu=True, **steps, **quiet)
    model = BertForSequenceClassification(config)
    trainer = MixerTrainer(model, options, train_dataset=train, mixer=mixer, **mixed)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    right = trainer.predict(test).predictions.argmax(1) == corpus.labels[parts.test]
    weights = {loss: round(weight, 2) for loss, weight in mixer.mean_weights().items()}
    print(f"{title:12} {right.mean():.3f} on {len(test)} test rows, mean weights {weights}")
