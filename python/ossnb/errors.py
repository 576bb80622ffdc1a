"""What can go wrong, by whom it can be put right. Caller's mistakes are ValueError, too little memory MemoryError."""


class CheckpointError(OSError):
    """A model file is missing, damaged or not gpt-oss; the message names the file, the tensor and what to do."""


class DeviceError(RuntimeError):
    """A device failed; the model is still usable."""


class ContextFull(ValueError):
    """A prompt or a reply does not fit the context; the message says how to get more room."""
