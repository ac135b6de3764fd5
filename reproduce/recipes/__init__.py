"""Every number of every experiment, by profile, each with its source.

`paper` has the paper's numbers, and the released code's where the paper has
none. `fast` is ours, for minutes on two cores. `quick` is for a first look, on
5,000 digits or drawn faces if need be. Table 1 is in `digits`, what is made of
its rows beside it in `studies`, Table 2 in `faces`, Table 3 in `credit`, the
comparison with other packages in `peers`. Published numbers stand in
`published.toml`.

The paper's letters: alpha is `learning_rate`, lambda `mi_weight`, K
`estimator_steps`, eta `estimator_learning_rate`. P, ours, is
`estimator_batches`.
"""
