"""The parts that the notebook and the views share: outputs, their pace, and the settings of cells."""
