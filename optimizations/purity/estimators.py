"""scikit-learn: which classes and functions are random when nobody seeds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from stratum_dask.optimizations.purity.calls import MISSING, Call, Lit, is_seed
from stratum_dask.optimizations.purity.contracts import Outcome, Seed, refuse
from stratum_dask.optimizations.purity.words import words
from stratum_dask.optimizations.verdict import MERGE, Verdict

__all__ = ["SELF_SEEDING", "Estimator", "estimator_rule", "judge_state"]

SELF_SEEDING = frozenset({"lightgbm", "xgboost", "catboost"})
"""Libraries whose estimators use a fixed seed when ``random_state`` is None."""


class When(NamedTuple):
    """Random only where a parameter has certain values."""

    param: str
    default: object
    random: Callable[[Any], bool]


def _one_of(*values: object) -> Callable[[Any], bool]:
    return lambda value: value in values


def _not(*values: object) -> Callable[[Any], bool]:
    return lambda value: value not in values


_SHUFFLES = (When("shuffle", False, _not(False)),)
_CYCLES = (When("selection", "cyclic", _not("cyclic")),)
_LOGISTIC = (When("solver", "lbfgs", _one_of("liblinear", "sag", "saga")),)
_RIDGE = (When("solver", "auto", _one_of("sag", "saga")),)
_LINEAR_SVM = (When("dual", "auto", _not(False)),)
_SVM = (When("probability", False, _not(False)),)
_RESTARTS = (When("n_restarts_optimizer", 0, _not(0)),)
_JITTER = (When("jitter", None, _not(None)),)
_ORDER = (When("order", None, _one_of("random")),)

_SOMETIMES: dict[str, tuple[When, ...]] = {
    "Ridge": _RIDGE,
    "RidgeClassifier": _RIDGE,
    "ridge_regression": _RIDGE,
    "Lasso": _CYCLES,
    "LassoCV": _CYCLES,
    "ElasticNet": _CYCLES,
    "ElasticNetCV": _CYCLES,
    "MultiTaskLasso": _CYCLES,
    "MultiTaskLassoCV": _CYCLES,
    "MultiTaskElasticNet": _CYCLES,
    "MultiTaskElasticNetCV": _CYCLES,
    "LogisticRegression": _LOGISTIC,
    "LogisticRegressionCV": _LOGISTIC,
    "LinearSVC": _LINEAR_SVM,
    "LinearSVR": (When("dual", "auto", _not(False)),),
    "SVC": _SVM,
    "NuSVC": _SVM,
    "PCA": (When("svd_solver", "auto", _not("full", "covariance_eigh")),),
    "KernelPCA": (When("eigen_solver", "auto", _not("dense")),),
    "GaussianProcessClassifier": _RESTARTS,
    "GaussianProcessRegressor": _RESTARTS,
    "Lars": _JITTER,
    "LassoLars": _JITTER,
    "ClassifierChain": _ORDER,
    "RegressorChain": _ORDER,
    "DummyClassifier": (When("strategy", "prior", _one_of("stratified", "uniform")),),
    "IterativeImputer": (
        When("sample_posterior", False, _not(False)),
        When("imputation_order", "ascending", _one_of("random")),
        When("n_nearest_features", None, _not(None)),
    ),
    "QuantileTransformer": (When("subsample", 10_000, _not(None)),),
    "KBinsDiscretizer": (When("subsample", 200_000, _not(None)),),
    "SplineTransformer": (),
    "TargetEncoder": (When("shuffle", True, _not(False)),),
    "TunedThresholdClassifierCV": (When("cv", None, lambda cv: isinstance(cv, float)),),
    "KFold": _SHUFFLES,
    "GroupKFold": _SHUFFLES,
    "StratifiedKFold": _SHUFFLES,
    "StratifiedGroupKFold": _SHUFFLES,
    "train_test_split": (When("shuffle", True, _not(False)),),
    "silhouette_score": (When("sample_size", None, _not(None)),),
    "estimate_bandwidth": (When("n_samples", None, _not(None)),),
    "learning_curve": _SHUFFLES,
    "FactorAnalysis": (When("random_state", 0, _one_of(None)),),
    "Perceptron": (When("random_state", 0, _one_of(None)),),
}

_ALWAYS = frozenset(
    words("""
    AdaBoostClassifier AdaBoostRegressor AffinityPropagation BaggingClassifier
    BaggingRegressor BayesianGaussianMixture BernoulliRBM BisectingKMeans
    DecisionTreeClassifier DecisionTreeRegressor DictionaryLearning EllipticEnvelope
    ExtraTreeClassifier ExtraTreeRegressor ExtraTreesClassifier ExtraTreesRegressor
    FastICA GaussianMixture GaussianRandomProjection GradientBoostingClassifier
    GradientBoostingRegressor HistGradientBoostingClassifier
    HistGradientBoostingRegressor IsolationForest KMeans LatentDirichletAllocation
    LocallyLinearEmbedding MDS MLPClassifier MLPRegressor MinCovDet
    MiniBatchDictionaryLearning MiniBatchKMeans MiniBatchNMF MiniBatchSparsePCA NMF
    NeighborhoodComponentsAnalysis Nystroem OutputCodeClassifier
    PassiveAggressiveClassifier PassiveAggressiveRegressor PatchExtractor
    PolynomialCountSketch RANSACRegressor RBFSampler RandomForestClassifier
    RandomForestRegressor RandomTreesEmbedding RandomizedSearchCV SGDClassifier
    SGDOneClassSVM SGDRegressor SkewedChi2Sampler SparsePCA SparseRandomProjection
    SpectralBiclustering SpectralClustering SpectralCoclustering SpectralEmbedding
    TSNE TheilSenRegressor TruncatedSVD HalvingGridSearchCV HalvingRandomSearchCV
    ShuffleSplit GroupShuffleSplit StratifiedShuffleSplit BaseShuffleSplit
    RepeatedKFold RepeatedStratifiedKFold ParameterSampler resample shuffle
    permutation_importance permutation_test_score mutual_info_classif
    mutual_info_regression affinity_propagation k_means kmeans_plusplus
    spectral_clustering fast_mcd dict_learning dict_learning_online fastica
    non_negative_factorization randomized_svd randomized_range_finder
    locally_linear_embedding smacof spectral_embedding make_biclusters make_blobs
    make_checkerboard make_circles make_classification make_friedman1 make_friedman2
    make_friedman3 make_gaussian_quantiles make_hastie_10_2 make_low_rank_matrix
    make_moons make_multilabel_classification make_regression make_s_curve
    make_sparse_coded_signal make_sparse_spd_matrix make_sparse_uncorrelated
    make_spd_matrix make_swiss_roll
    """)
)

_COMPARABLE = frozenset({type(None), bool, int, float, str})

# these hand their own random_state to what they wrap
_SEEDS_INNER = frozenset(
    words("""
    AdaBoostClassifier AdaBoostRegressor BaggingClassifier BaggingRegressor
    RandomForestClassifier RandomForestRegressor ExtraTreesClassifier
    ExtraTreesRegressor RandomTreesEmbedding IsolationForest
    """)
)


class Estimator(NamedTuple):
    """The contract of a class or function of scikit-learn: seeded when it matters."""

    what: str
    conditions: tuple[When, ...]

    @property
    def loose(self) -> Verdict:
        return Seed(self.what).loose

    def check(self, call: Call) -> Outcome:
        seeded = Seed(self.what).check(call)
        if seeded.verdict == MERGE and not seeded.demands:
            return seeded
        if self.conditions and not any(self._random(c, call) for c in self.conditions):
            return Outcome()
        return seeded

    def _random(self, when: When, call: Call) -> bool:
        value = call.get(when.param)
        if value is MISSING:
            value = Lit(when.default)
        if not isinstance(value, Lit) or type(value.value) not in _COMPARABLE:
            return True
        return when.random(value.value)


def estimator_rule(name: str) -> Estimator | None:
    """The contract for a name of scikit-learn, None where it is deterministic.

    Examples
    --------
    >>> estimator_rule("RandomForestClassifier").check(Call()).verdict.role.name
    'REFUSE'
    >>> estimator_rule("Ridge").check(Call()).verdict.role.name
    'MERGE'
    >>> estimator_rule("StandardScaler") is None
    True
    """
    conditions = _SOMETIMES.get(name)
    if conditions:
        return Estimator(name, conditions)
    return Estimator(name, ()) if name in _ALWAYS else None


def judge_state(
    names: tuple[str, ...], root: str, state: dict[str, Any]
) -> tuple[Verdict, frozenset[str]]:
    """Judge an estimator or splitter that exists, by its attributes.

    Parameters
    ----------
    names
        The names of its class and the classes above it, nearest first.
    root
        The library of its class.
    state
        Its ``__dict__``.

    Returns
    -------
    A verdict on its own randomness, and the attributes that it seeds itself.
    """
    seed = state.get("random_state", MISSING)
    name = names[0]
    if seed is MISSING and not any(estimator_rule(n) for n in names):
        return MERGE, frozenset()
    if is_seed(Lit(seed)):
        own = any(n in _SEEDS_INNER for n in names)
        return MERGE, frozenset({"estimator", "base_estimator"} if own else ())
    if seed is not None and seed is not MISSING and not isinstance(seed, str):
        why = f"{name}.random_state is a live {type(seed).__name__}, which changes"
        return refuse(why, "give random_state= a number"), frozenset()
    if root in SELF_SEEDING:
        return MERGE, frozenset()
    rule = next((r for r in map(estimator_rule, names) if r is not None), None)
    call = Call(kwargs={k: Lit(v) for k, v in state.items()})
    outcome = (rule or Estimator(name, ())).check(call)
    return outcome.verdict, frozenset()
