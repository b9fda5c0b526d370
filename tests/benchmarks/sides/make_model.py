"""DistilBERT in its full size with random weights, for the real model's row.

`python make_model.py BUNDLE FOLDER [LABEL…]`: the bundle's folder with weights beside its files.
Labels take the place of the bundle's own.
"""

import os
import shutil
import sys

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # transformers 4 refuses Keras 3

import tensorflow as tf
from transformers import DistilBertConfig, TFDistilBertForSequenceClassification

bundle, folder, *labels = sys.argv[1:]
shutil.copytree(bundle, folder)
tf.keras.utils.set_random_seed(7)
config = DistilBertConfig.from_pretrained(folder)
if labels:
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: at for at, label in enumerate(labels)}
model = TFDistilBertForSequenceClassification(config)
model(model.dummy_inputs)
model.save_pretrained(folder)
