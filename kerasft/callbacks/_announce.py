"""Where callbacks speak: where Keras's own do."""

import keras

__all__ = ["announce"]


def announce(message: str) -> None:
    """Print a line, or log it where the user has turned Keras's interactive logging off."""
    if keras.config.is_interactive_logging_enabled():
        print(message, flush=True)
    else:
        from absl import logging

        logging.info(message)
