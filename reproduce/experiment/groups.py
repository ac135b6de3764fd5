"""The groups that the settings of a run consist of: typed and checked.

To make another data set or method known to the experiments, add a subclass of
`Data` or `Method`: its `name` is the key of `keras_unbias.data.DATASETS` or
`keras_unbias.methods.METHODS`, and its fields are the arguments of the loader
or of the model. Defaults are those of the library. No TensorFlow is needed.
"""

import re
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import Field
from pydantic.dataclasses import dataclass

# Random generators and TensorFlow take no larger integers, and float32 holds no
# larger numbers.
LARGEST = 2**31 - 1
LARGEST_FLOAT = 3.4e38
Count = Annotated[int, Field(ge=1, le=LARGEST)]
CountOrZero = Annotated[int, Field(ge=0, le=LARGEST)]
Positive = Annotated[float, Field(gt=0, le=LARGEST_FLOAT, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=LARGEST_FLOAT, allow_inf_nan=False)]
Widths = tuple[Count, ...]
Text = Annotated[str, Field(min_length=1)]

checked = dataclass(
    frozen=True, kw_only=True, config=pydantic.ConfigDict(strict=True, extra="forbid")
)


@checked
class Data:
    """The data of a run: what a loader of `keras_unbias.data` takes."""

    known: ClassVar[dict[str, type["Data"]]] = {}
    name: ClassVar[str]
    # Whether the encoder is a backbone with settings of its own, `Network`.
    has_backbone: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Directories and files are named after it.
        if not re.fullmatch(r"\w[\w-]*", cls.name):
            raise ValueError(
                "The name of a data set is a word. Expected: letters, digits, _ and "
                f"-. Received: name={cls.name!r}. Rename it."
            )
        Data.known[cls.name] = cls


@checked
class ColoredMnist(Data):
    """Colored digits, `keras_unbias.data.colored_mnist.load`."""

    name: ClassVar[str] = "colored_mnist"
    color_variance: Annotated[float, Field(gt=0, lt=1)] = 0.02
    attribute: Literal["bins", "bits"] = "bins"
    digits: Literal["mnist", "mnist-5000", "kim"] = "mnist"
    train_colors: Literal["class", "random"] = "class"
    gray_scale: bool = False
    held_out: CountOrZero = 0
    augment: bool = False


@checked
class GermanCredit(Data):
    """Customers of a bank, `keras_unbias.data.german_credit.load`."""

    name: ClassVar[str] = "german_credit"
    age_input: bool = False


@checked
class ImdbFaces(Data):
    """Faces, `keras_unbias.data.imdb_faces.load`."""

    name: ClassVar[str] = "imdb_faces"
    has_backbone: ClassVar[bool] = True
    faces: Literal["imdb", "drawn"] = "imdb"
    train_split: Literal["eb1", "eb2"] = "eb1"
    train_size: Count = 2000
    image_size: Count = 224
    skip_bad_images: bool = False


@checked
class UtkFaces(Data):
    """Faces, `keras_unbias.data.utk_faces.load`."""

    name: ClassVar[str] = "utk_faces"
    has_backbone: ClassVar[bool] = True
    train_split: Literal["eb1", "eb2"] = "eb1"
    train_size: Count = 2000
    test_size: Count = 2000
    held_out: CountOrZero = 0
    evaluate_on: Literal["test", "held_out"] = "test"
    image_size: Count = 224
    augment: bool = False


@checked
class Network:
    """The backbone of a face encoder, `keras_unbias.encoders.face_encoder`."""

    backbone: Text = "ResNet50"
    alpha: Positive = 1.0
    weights: Text = "imagenet"
    frozen: bool = False
    features: Literal["dense", "pooled", "symmetric"] = "dense"
    batch_norm: Literal["inference", "training"] = "inference"
    preprocessing: Literal["backbone", "released"] = "backbone"


@checked
class Training:
    """The training of a network.

    Args:
        batch_size: rows of a step of the task.
        epochs: passes over the training rows.
        learning_rate: Adam's rate, the paper's alpha.
        epsilon: Adam's epsilon, of every Adam of the run.
        decay: `"cosine"` to 0 over the run, or `"constant"`.
        weight_averaging: momentum of the averaged weights; 0 for none.
        precision: dtype policy. `"mixed_bfloat16"` becomes float32 on a
            processor without instructions for it.
        jit_compile: whether XLA compiles a step. `None` leaves the choice to
            `keras_unbias.backend.should_jit_compile`.
        epochs_per_report: epochs of one line of the history. With more than 1
            they are one execution, for small data.
    """

    batch_size: Count = 128
    epochs: Count = 10
    learning_rate: Positive = 1e-3
    epsilon: Positive = 1e-7
    decay: Literal["constant", "cosine"] = "constant"
    weight_averaging: Annotated[float, Field(ge=0, lt=1)] = 0.0
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    jit_compile: bool | None = None
    epochs_per_report: Count = 1


@checked
class Estimator:
    """The estimator of the mutual information during the training.

    Args:
        critic: the statistics network.
        critic_hidden: units of its hidden layers.
        standardize: whether the features are standardized for it.
        estimator_steps: its updates per step, the paper's K.
        estimator_batches: its own mini-batches per step, P. With 0 it uses the
            task's rows.
        estimator_learning_rate: its rate, the paper's eta.
        estimator_optimizer: its optimizer.
        estimator_accumulate: mini-batches that make one update.
    """

    critic: Literal["separable", "concatenated"] = "separable"
    critic_hidden: Widths = (64, 64, 64)
    standardize: bool = True
    estimator_steps: Count = 16
    estimator_batches: CountOrZero = 0
    estimator_learning_rate: Positive = 2e-3
    estimator_optimizer: Literal["adam", "sgd"] = "adam"
    estimator_accumulate: Count = 1


@checked
class Method:
    """The method of a run: a training method or a baseline."""

    known: ClassVar[dict[str, type["Method"]]] = {}
    name: ClassVar[str]
    # Which groups of the settings change the result.
    trains_network: ClassVar[bool] = True
    has_estimator: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in vars(cls):
            Method.known[cls.name] = cls


@checked
class TrainingMethod(Method):
    """A method of `keras_unbias.methods`.

    Args:
        prior_strength: factor of log p(y|c) in the training logits; 0 for no
            prior.
        overlap_width: width of `keras_unbias.overlap_weights`, in bins of the
            attribute; 0 for equal weights.
        discriminant_shrinkage: shrinkage of `keras_unbias.adjusted_discriminant`,
            which replaces the trained classifier; 0 leaves the classifier.
    """

    prior_strength: Weight = 0.0
    overlap_width: Weight = 0.0
    discriminant_shrinkage: Annotated[float, Field(ge=0, le=1)] = 0.0


@checked
class Erm(TrainingMethod):
    """Plain training, empirical risk minimization."""

    name: ClassVar[str] = "erm"


@checked
class BiasBalanced(TrainingMethod):
    """Bias-balanced training, `keras_unbias.methods.BiasBalanced`."""

    name: ClassVar[str] = "bias_balanced"
    prior_strength: Positive = 1.0


@checked
class MutualInformation(TrainingMethod):
    """The paper's method, `MutualInformationBackpropagation`."""

    name: ClassVar[str] = "mi_backprop"
    has_estimator: ClassVar[bool] = True
    mi_weight: Weight = 1.0
    conditional: bool = False
    mi_every: Count = 1
    own_optimizer: bool = True
    clip: bool = True
    released_order: bool = False


@checked
class Adversary(TrainingMethod):
    """A method with an attribute classifier, `AttributeAdversary`."""

    attribute_hidden: Widths = ()
    attribute_rate: Positive = 1.0
    attribute_layer: Text | None = None


@checked
class AttributeConfusion(Adversary):
    """Alvi et al. 2018, `keras_unbias.methods.AttributeConfusion`."""

    name: ClassVar[str] = "attribute_confusion"
    confusion_weight: Weight = 1.0


@checked
class AdversarialUnlearning(Adversary):
    """Kim et al. 2019, `keras_unbias.methods.AdversarialUnlearning`."""

    name: ClassVar[str] = "adversarial_unlearning"
    entropy_weight: Weight = 0.01
    reversal_weight: Weight = 0.1


@checked
class ChiSquared(TrainingMethod):
    """Mary et al. 2019, `keras_unbias.methods.ChiSquaredPenalty`."""

    name: ClassVar[str] = "chi_squared"
    penalty_weight: Weight = 1.0


@checked
class Constant(Method):
    """The most frequent label for every row."""

    name: ClassVar[str] = "constant"
    trains_network: ClassVar[bool] = False


@checked
class Svm(Method):
    """A support vector machine, chosen by cross-validation.

    Args:
        kernel: `"linear"` or `"rbf"`.
        C: values to choose from.
        gamma: values to choose from, or `"scale"`.
        folds: folds of the cross-validation.
    """

    name: ClassVar[str] = "svm"
    trains_network: ClassVar[bool] = False
    kernel: Literal["linear", "rbf"] = "linear"
    C: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1.0,)
    gamma: Annotated[tuple[Positive | Literal["scale"], ...], Field(min_length=1)] = (
        "scale",
    )
    folds: Annotated[int, Field(ge=2, le=LARGEST)] = 5


@checked
class Ferm(Svm):
    """Donini et al. 2018, an SVM under a constraint of fairness."""

    name: ClassVar[str] = "ferm"


@checked
class PeerProblem(Data):
    """A problem of `peer_problems`, German credit or faces, with a binary age.

    Args:
        problem: its name.
        rows: training rows, of a problem that is drawn as many test rows.
        agreement: how often the attribute agrees with the label there.
        audited: whether the features of a network are audited, which takes
            longer than the training.
    """

    name: ClassVar[str] = "peers"
    problem: Literal[
        "gaussians", "categories", "pictures", "product", "decisions", "credit", "faces"
    ] = "gaussians"
    rows: Count = 10_000
    agreement: Annotated[float, Field(gt=0, le=1)] = 0.9
    audited: bool = False


@checked
class PeerAudit(Method):
    """`keras_unbias.audit` of the inputs."""

    name: ClassVar[str] = "audit"
    trains_network: ClassVar[bool] = False


@checked
class PeerClassifier(Method):
    """`keras_unbias.UnbiasedClassifier`, with its arguments.

    Defaults are those of the first release, whose records name none.

    Args:
        classifier: its argument `method`.
        reweighing: whether the rows are weighed by p(y) p(c) / p(y, c).
    """

    name: ClassVar[str] = "unbiased_classifier"
    trains_network: ClassVar[bool] = False
    classifier: Literal["mi_backprop", "bias_balanced", "erm"] = "mi_backprop"
    reweighing: bool = False
    erase: bool = False
    mi_weight: Weight = 0.3
    conditional: bool = True
    prior_strength: Weight | None = 0.5
    attribute_bins: Count | None = 10
    dropout: Weight = 0.2
    epochs: Count | None = None
    batch_size: Count = 128
    learning_rate: Positive = 1e-3
    estimator_batches: CountOrZero = 4


@checked
class PeerFairlearn(Method):
    """`fairlearn.adversarial.AdversarialFairnessClassifier`."""

    name: ClassVar[str] = "fairlearn"
    trains_network: ClassVar[bool] = False
    predictor_model: tuple[Count | Text, ...] = ()
    epochs: Count = 1
    shuffle: bool = False


@checked
class KnownInformation(Data):
    """A pair of which the mutual information is known.

    Args:
        task: name of the file of its rows.
    """

    name: ClassVar[str] = "known_information"
    task: Text = "1v1-normal-0.75"


@checked
class InformationEstimate(Method):
    """An estimate of the mutual information of two sets of columns.

    Args:
        package: what estimates it.
    """

    name: ClassVar[str] = "information_estimate"
    trains_network: ClassVar[bool] = False
    package: Literal["keras_unbias", "scikit-learn", "infomeasure"] = "keras_unbias"


@checked
class PeerReductions(Method):
    """`fairlearn.reductions.ExponentiatedGradient` of a logistic regression."""

    name: ClassVar[str] = "exponentiated_gradient"
    trains_network: ClassVar[bool] = False
    constraint: Literal["EqualizedOdds", "DemographicParity"] = "EqualizedOdds"


@checked
class PeerLeace(Method):
    """`concept_erasure.LeaceEraser` on features, and a logistic regression.

    The features are those of plain training, of the network of ours.
    """

    name: ClassVar[str] = "leace"
    trains_network: ClassVar[bool] = False
