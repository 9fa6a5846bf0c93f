"""What the release of an exercise needs beyond nbgrader's own steps."""

from nbgrader.preprocessors import NbGraderPreprocessor


class StableCellIds(NbGraderPreprocessor):
    """Name each cell by its grade id or its place, so that releasing twice gives the same file.

    The text notebooks have no cell ids; reading one makes up new random ids each time.
    """

    def preprocess(self, nb, resources):
        """Set the ids."""
        for position, cell in enumerate(nb.cells):
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "").replace("_", "-")
            cell["id"] = (grade_id or f"cell-{position}")[:64]
        return nb, resources


class DropPairing(NbGraderPreprocessor):
    """Forget the text notebook that the source is paired with: the learner has none."""

    def preprocess(self, nb, resources):
        """Remove the notebook's jupytext metadata."""
        nb.metadata.pop("jupytext", None)
        return nb, resources
