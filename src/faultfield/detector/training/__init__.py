"""Algorithm 1 of ARMOR: warm-up, training on the annotation, training on the model's own answers."""
