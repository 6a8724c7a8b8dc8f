"""kerasft: the fine-tuning library for Keras 3."""
