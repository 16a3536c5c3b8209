"""What a model is worth: its metrics and their intervals, figures and reports."""
