"""Every number of every experiment, by profile, each with its source.

`paper` has the paper's numbers, and the released code's where the paper has
none; `fast` is ours, for minutes on two cores; `quick` is for a first look, on
the 5,000 digits or drawn faces if need be. Table 1 is in `colored_mnist`, what
is made of its rows beside it in `studies`, Table 2 in `imdb_faces`, Table 3 in
`german_credit`.

The paper's letters: alpha is `learning_rate`, lambda `mi_weight`, K
`estimator_steps`, eta `estimator_learning_rate`. P, ours, is
`estimator_batches`.
"""

# Seeds count from here: seed 0 was looked at while recipes were sought.
FIRST_SEED = 1
