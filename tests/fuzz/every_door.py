"""All doors, and the public names that need none."""

from __future__ import annotations

import importlib
import pkgutil

import doors
from registry import DOORS, Door

import spear_amal
from spear_amal.data import images

for found in pkgutil.iter_modules(doors.__path__):
    importlib.import_module(f"doors.{found.name}")

__all__ = ["DOORS", "Door", "exempt", "public_names"]

PACKAGES = (
    *(
        "analysis",
        "cli",
        "data",
        "declared_lfs",
        "estimators",
        "export",
        "label_models",
        "labeling",
        "llm",
        "loop",
        "losses",
    ),
    *(
        "mixers",
        "model_lfs",
        "models",
        "prompted_lfs",
        "report",
        "slicing",
        "studies",
        "suggest",
        "teachers",
        "training",
        "utils",
    ),
)


def public_names() -> set[str]:
    """Return the public names, as ``package.name``."""
    names = {f"spear_amal.{name}" for name in spear_amal.__all__}
    for package in PACKAGES:
        module = importlib.import_module(f"spear_amal.{package}")
        public = module.__all__
        names |= {f"{package}.{name}" for name in public}
    names |= {f"images.{name}" for name in images.__all__}
    return names


#: Public names that no door goes through, by reason.
WITHOUT = {
    "a constant": """
        spear_amal.ABSTAIN labeling.ABSTAIN label_models.UNKNOWN_WITHOUT_GOLD studies.WITHOUT_GOLD
        labeling.GRADES training.CHOICES images.GENERATED images.SPLITS
    """,
    "a result, or a table of a run, that the package makes": """
        labeling.ApplierMetadata report.ComparisonContent report.CrossoverContent report.Estimate
        report.Evaluation
        report.Examples report.ReportContent
        model_lfs.ModelLF model_lfs.TableModelLF
        suggest.Candidate suggest.ConditionPool suggest.Suggestions
        suggest.RefusedRule suggest.WrittenRules
        data.ImageData images.ImageData images.hold_out_validation studies.SplitComparison
        studies.SplitComparisonRow studies.CorpusVotes studies.RunSpec
        training.Table training.TrainingResult export.OnnxExport
    """,
    "an error": "training.DivergedError llm.BudgetError llm.ChatServerError",
    "what is asked of a server, and its odd replies, which tests/llm goes through": """
        llm.ChatClient llm.ChatModel llm.ChatRequest llm.ChatAnswer llm.ChatFailure llm.CostForecast
        llm.TokenChoice
    """,
    "a protocol or a base class, for code that goes into training": """
        losses.ClosedForm losses.Component losses.ComponentSet losses.Penalty losses.Slopes
        mixers.GraphsLike
        mixers.LookAheadLike training.Callback training.LookAhead training.ProgressBar
        training.ValidationLoss studies.GridStudy
    """,
    "a loss or a part of a network without settings, reached by its name through other doors": """
        losses.Agreement losses.AnchorContrast losses.PseudoLabelDivergence losses.PseudoLabels
        losses.UniformDivergence losses.GoldCrossEntropy losses.Implication losses.LabelCrossEntropy
        losses.NoisyCrossEntropy losses.OnCovered losses.PosteriorRegularisation
        losses.PredictionEntropy losses.QualityGuide losses.RuleConsensus losses.RuleGold
        losses.RuleLikelihood losses.RuleReliability losses.SquaredNorm losses.TaskCrossEntropy
        losses.TaskSquaredError losses.TeacherCrossEntropy models.Affine models.JointModel
        models.MultiTask models.RuleModel models.RuleNetwork
    """,
    "it registers a user's class for the whole process": """
        losses.register_loss mixers.register_mixer studies.register_method
    """,
    "it takes what other public calls returned, and no words or numbers of a user's": """
        export.export_onnx report.comparison_table report.extreme_rows report.require_report_extra
        report.model_card report.write_model_card
        report.write_comparison_report report.write_crossover_report report.write_report
        studies.compare_on_split
        studies.fit_method studies.one_thread training.predict_logits
        training.reported_metric
    """,
    "it needs a cluster, a language model of spaCy, or processes of its own": """
        labeling.DaskApplier labeling.PandasParallelLFApplier labeling.SpacyPreprocessor
        labeling.SparkApplier labeling.nlp_labeling_function
    """,
    "it trains networks on images, for longer than an input may take": """
        estimators.AuxiliaryTask estimators.RotationDistiller estimators.ViewConfig
        studies.run_grid_study teachers.NetworkTeacher teachers.early_stopped
    """,
    "it hands all that it is given to the fits of estimators, which have doors": """
        estimators.PooledClassifier spear_amal.PooledClassifier estimators.distilled
        estimators.fit_together
    """,
    "it needs an encoder on disk, and trains it for longer than an input may take": """
        data.TokenFeatures models.EncoderConfig models.EncoderModel
    """,
    "it makes an LF that asks a server, of words that prompt_lf is given": """
        declared_lfs.PromptRule
    """,
    "it predicts batches of a file by what has doors: read_table and TextClassifier": """
        spear_amal.predict_stream
    """,
    "it may fetch a corpus": "studies.load_corpus_votes",
    "a number of this process": "prompted_lfs.spent",
    "it is read through the door of folders of votes": "training.ParquetRows",
}


def exempt() -> set[str]:
    """Return the names that need no door."""
    return {name for names in WITHOUT.values() for name in names.split()}
