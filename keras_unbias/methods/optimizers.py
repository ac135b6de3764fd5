"""A second optimizer beside the task's."""


def companion_optimizer(optimizer, factor, prefix):
    """A new optimizer like `optimizer`, at `factor` times its present rate.

    The factor is a number or a variable.

    The rate follows schedules, callbacks and assignments alike, for one that
    stays up while the task's gradient vanishes destroys the network. Weight
    decay and averaging stay with the first optimizer.
    """
    config = optimizer.get_config()
    if "learning_rate" not in config:
        raise ValueError(
            "A second optimizer cannot be made like the task's. Expected: an "
            "optimizer with a learning rate, e.g. Adam. Received: "
            f"{type(optimizer).__name__}. Train in float32 or bfloat16; for "
            "mutual information own_optimizer=False does with one."
        )
    config["learning_rate"] = lambda: factor * optimizer.learning_rate
    if config["weight_decay"]:
        config["weight_decay"] = 0.0
    config.update(name=f"{prefix}_{optimizer.name}", use_ema=False)
    return type(optimizer).from_config(config)
