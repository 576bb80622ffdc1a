"""What the notebook and the views share: outputs, their pace, and the settings cells begin with."""
